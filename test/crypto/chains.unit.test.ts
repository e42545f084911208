import t from 'tap'
import { importSigningKey } from '../../src/crypto/keys.js'
import { statementHash, verifyStatement } from '../../src/crypto/statements.js'
import type { CryptoKey } from '../../src/crypto/web-crypto.js'
import { extendConversationChain, type ConversationChain } from '../../src/protocol/conversation-chain.js'
import type { SignedStatement } from '../../src/protocol/schema.js'
import { parseStatement, type UserStatement } from '../../src/protocol/statements.js'
import { extendUserChain, type UserChain } from '../../src/protocol/user-chain.js'
import { refusal } from '../support/refusal.js'
import { vectors } from '../support/vectors.js'

interface Case {
  title: string
  statements: SignedStatement[]
  attack?: string
  refused?: string
}

interface UserCase extends Case {
  then?: { head: string; root: string; devices: Record<string, string>; retired: string[] }
}

interface ConversationCase extends Case {
  owners: Record<string, string>
  roots: Record<string, string>
  then?: { head: string; members: Record<string, string> }
}

const { keys, users, conversations } = vectors<{
  keys: Record<string, string>
  users: UserCase[]
  conversations: ConversationCase[]
}>('chains')

async function imported(fingerprints: Iterable<string>): Promise<Map<string, CryptoKey>> {
  const found = new Map<string, CryptoKey>()
  for (const fingerprint of fingerprints) found.set(fingerprint, await importSigningKey(keys[fingerprint]!))
  return found
}

/** The keys that may sign a statement of a user's chain (docs/protocol.md, "A user's chain"). */
function maySign(chain: UserChain | null, statement: UserStatement): string[] {
  const active = [...(chain?.devices.values() ?? [])].map(({ signingKey }) => signingKey)
  if (statement.kind === 'device-revoke') return active
  return statement.kind === 'device-add' ? [...active, statement.signingKey] : [statement.signingKey]
}

async function extendUser(chain: UserChain | null, signed: SignedStatement): Promise<UserChain> {
  const kinds = ['device-add', 'device-rekey', 'device-reset', 'device-revoke'] as const
  const statement = parseStatement(signed.text, kinds)
  const signers = await verifyStatement(signed, await imported(maySign(chain, statement)))
  return extendUserChain(chain, statement, await statementHash(signed.text), signers)
}

async function extendConversation(
  chain: ConversationChain | null,
  signed: SignedStatement,
  { owners, roots }: ConversationCase
): Promise<ConversationChain> {
  const kinds = ['create', 'add', 'role', 'remove', 'leave'].map((kind) => `conversation-${kind}` as const)
  const statement = parseStatement(signed.text, kinds as ['conversation-create'])
  await verifyStatement(signed, await imported([statement.by]))
  const hash = await statementHash(signed.text)
  return extendConversationChain(
    chain,
    statement,
    hash,
    owners[statement.by]!,
    new Map(Object.entries(roots))
  )
}

/**
 * The chain after all statements, or the code with which the last one is refused. The others must be valid.
 */
async function fold<Chain>(
  { statements }: Case,
  extend: (chain: Chain | null, signed: SignedStatement) => Promise<Chain>
): Promise<Chain | string> {
  let chain: Chain | null = null
  for (const signed of statements.slice(0, -1)) chain = await extend(chain, signed)
  let last: Chain | undefined
  const code = await refusal(extend(chain, statements.at(-1)!).then((next) => (last = next)))
  return last ?? code
}

t.test('A user’s chain defines the user’s devices, and refuses ghosts, forks and downgrades', async (t) => {
  for (const one of users) {
    const chain = await fold<UserChain>(one, extendUser)
    if (typeof chain === 'string') {
      t.equal(chain, one.refused, one.title)
      continue
    }
    const { head, root, devices, retired } = chain
    const bound = Object.fromEntries(
      [...devices.values()].map(({ id, encryptionKey }) => [id, encryptionKey])
    )
    t.strictSame({ head, root, devices: bound, retired: [...retired] }, one.then, one.title)
  }
  const attacks = new Set(users.map(({ attack }) => attack))
  for (const attack of ['ghost-device', 'second-root', 'forked-chain', 'downgraded-key', 'swapped-key'])
    t.ok(attacks.has(attack), attack)
})

t.test('A conversation’s chain defines its members, and refuses ghosts and forks', async (t) => {
  for (const one of conversations) {
    const chain = await fold<ConversationChain>(one, (previous, signed) =>
      extendConversation(previous, signed, one)
    )
    if (typeof chain === 'string') {
      t.equal(chain, one.refused, one.title)
      continue
    }
    const members = Object.fromEntries([...chain.members].map(([name, { role }]) => [name, role]))
    t.strictSame({ head: chain.head, members }, one.then, one.title)
  }
  const attacks = new Set(conversations.map(({ attack }) => attack))
  for (const attack of ['ghost-member', 'second-root', 'forked-chain']) t.ok(attacks.has(attack), attack)
})
