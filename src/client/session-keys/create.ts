import type { NewSessionKey } from '../../protocol/conversations.js'
import {
  conversationRoster,
  type ChainMember,
  type ConversationChain
} from '../../protocol/conversation-chain.js'
import { applyChange, type Fold } from '../../protocol/conversation-changes.js'
import { rosterText, type RosterDevice } from '../../protocol/roster.js'
import type { SignedStatement } from '../../protocol/schema.js'
import { statementText } from '../../protocol/statement-texts.js'
import type { ChangeStatement, StateLine, Statement } from '../../protocol/statements.js'
import { sha256Hex } from '../../crypto/hash.js'
import {
  generateSessionKey,
  sessionKeyCommitment,
  type SessionKey as KeyMaterial
} from '../../crypto/session-keys.js'
import { signStatement, statementHash, type Signer } from '../../crypto/statements.js'
import { Turns } from '../../crypto/turns.js'
import { wrapSessionKeyForAll, type WrapRecipient } from '../../crypto/wraps.js'
import type { KnownUsers } from '../conversations/chain-users.js'
import type { UserChains } from '../identity/user-chains.js'

/** Devices whose keys are fetched and imported at the same time. */
const AT_ONCE = 64

type Placed = 'conversation' | 'sequence' | 'previous' | 'by'
type KeyedChange = Exclude<ChangeStatement, Statement<'conversation-leave'>>
/** A change that has no place in the chain yet. */
export type Change = { [K in KeyedChange['kind']]: Omit<Statement<K>, Placed> }[KeyedChange['kind']]

/** Changes and the session key that follows them, signed but not posted. */
export interface SignedRequest {
  statements: SignedStatement[]
  key: NewSessionKey
  material: KeyMaterial
  /** Hash of the `conversation-key` statement. */
  hash: string
  /** Those who are in after the request, each with the end of their chain that the key is made for. */
  members: ReadonlyMap<string, ChainMember>
}

/** Whose device signs, and what is known of all who are in after the request. */
export interface Signing {
  username: string
  signer: Signer
  users: KnownUsers
}

/**
 * Sign changes, and make a session key for those who are in after them. Each attempt makes another key.
 *
 * @param chain null to create the conversation: then the first change is a `conversation-create`
 * @throws {RuleViolation} if the protocol does not allow a change
 */
export async function signRequest(
  id: string,
  chain: ConversationChain | null,
  changes: readonly Change[],
  { username, signer, users }: Signing,
  chains: UserChains
): Promise<SignedRequest> {
  const by = signer.fingerprint
  let { sequence, head } = chain ?? { sequence: 0, head: '-' }
  const fold: Fold = {
    kind: chain?.kind ?? 'group',
    members: new Map(chain?.members),
    messageTtl: chain?.messageTtl ?? 0
  }
  const statements: SignedStatement[] = []
  const isCurrent = (name: string, root: string) => users.get(name)?.chain.root === root
  for (const change of changes) {
    const statement = { ...change, conversation: id, sequence: sequence + 1, previous: head, by }
    applyChange(fold, statement, username, isCurrent)
    const text = statementText(statement)
    statements.push(await signStatement(text, signer))
    head = await statementHash(text)
    sequence++
  }

  const members = new Map<string, ChainMember>()
  const state: StateLine[] = []
  for (const [name, { role, root, state: before }] of fold.members) {
    const { sequence, head } = users.get(name)!.chain
    members.set(name, { role, root, state: { sequence, head } })
    if (before?.sequence !== sequence) state.push({ username: name, sequence, head })
  }
  const roster = conversationRoster(members, users)
  const material = await generateSessionKey()
  const text = statementText({
    kind: 'conversation-key',
    conversation: id,
    sequence: sequence + 1,
    previous: head,
    sessionKey: material.id,
    commitment: await sessionKeyCommitment(material),
    state: state.sort((a, b) => (a.username < b.username ? -1 : 1)),
    roster: await sha256Hex(rosterText(roster)),
    by
  })
  const hash = await statementHash(text)
  const recipients = await recipientsOf(roster, chains)
  const wraps = await wrapSessionKeyForAll(material, recipients, hash)
  const key = {
    id: material.id,
    statement: await signStatement(text, signer),
    wraps: wraps.map((wrappedKey, at) => ({ deviceId: roster[at]!.id, wrappedKey }))
  }
  return { statements, key, material, hash, members }
}

/** The public keys of a roster. Each has to be imported, which takes a while. */
async function recipientsOf(roster: readonly RosterDevice[], chains: UserChains): Promise<WrapRecipient[]> {
  const turns = new Turns()
  const recipients: WrapRecipient[] = []
  for (let at = 0; at < roster.length; at += AT_ONCE) {
    const next = roster.slice(at, at + AT_ONCE)
    recipients.push(...(await Promise.all(next.map((device) => chains.recipient(device)))))
    await turns.next()
  }
  return recipients
}
