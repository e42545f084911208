import { createHash } from 'node:crypto'
import { importSessionKey, sessionKeyCommitment } from '../../../src/crypto/session-keys.js'
import { signStatement, statementHash } from '../../../src/crypto/statements.js'
import { rosterText } from '../../../src/protocol/roster.js'
import { statementText } from '../../../src/protocol/statement-texts.js'
import type { ChangeStatement, Statement, UserStatement } from '../../../src/protocol/statements.js'
import { counting } from './actors.js'
import { cast, groupKeys, type CastDevice } from './group-cast.js'
import { hybridWrap } from './hybrid-wrap.js'
import { oaep } from './oaep.js'

const conversation = '0198c6f3-1c08-7a3e-b5f4-0d9e6b2c8105'
const sha256 = (data: string | Uint8Array): string => createHash('sha256').update(data).digest('hex')

/** A statement without its place in the chain. */
type Unlinked<S> = S extends unknown ? Omit<S, 'sequence' | 'previous' | 'conversation' | 'by'> : never

interface Signed {
  text: string
  hash: string
  signatures: Record<string, string>
}

/** A chain that grows by signed statements. */
class Chain {
  readonly statements: Signed[] = []

  get end() {
    return { sequence: this.statements.length, head: this.statements.at(-1)!.hash }
  }

  async add(statement: object, ...signers: CastDevice[]): Promise<Signed> {
    const previous = this.statements.at(-1)?.hash ?? '-'
    const linked = { ...statement, sequence: this.statements.length + 1, previous } as Statement
    const signed = await sign(statementText(linked), ...signers)
    this.statements.push(signed)
    return signed
  }

  user(statement: Unlinked<UserStatement>, ...signers: CastDevice[]): Promise<Signed> {
    return this.add(statement, ...signers)
  }

  change(statement: Unlinked<ChangeStatement>, by: CastDevice): Promise<Signed> {
    return this.add({ ...statement, conversation, by: by.signingKey }, by)
  }
}

async function sign(text: string, ...signers: CastDevice[]): Promise<Signed> {
  const { signatures } = await signStatement(text, ...signers.map(({ signer }) => signer))
  return { text, hash: await statementHash(text), signatures }
}

const binding = (
  kind: 'device-add' | 'device-rekey' | 'device-reset',
  { username, id, signingKey, encryptionKey, kemKey }: CastDevice,
  encryptionVersion = 1
) =>
  ({
    kind,
    user: username,
    device: id,
    purpose: 'chat',
    signingKey,
    encryptionKey,
    kemKey,
    encryptionVersion
  }) as const

export async function groupVectors() {
  const { laptop, tablet, bob, bobRekeyed, carol, carolsPhone } = cast
  const users = { alice: new Chain(), bob: new Chain(), carol: new Chain() }
  const chain = new Chain()
  const keys: object[] = []

  /** Make a session key for a roster, with the `state` of the users that are named. */
  async function key(by: CastDevice, roster: CastDevice[], stated: (keyof typeof users)[]) {
    const id = `0198c6f3-5d72-7f90-a1c8-e47b3d5f621${keys.length + 1}`
    const bytes = counting(0x40 + 0x20 * keys.length)(32)
    const commitment = await sessionKeyCommitment(await importSessionKey(id, bytes))
    const text = rosterText(roster)
    const rosterHash = sha256(text)
    const state = stated.map((username) => ({ username, ...users[username].end }))
    const lines = { sessionKey: id, commitment, state, roster: rosterHash }
    const link = await chain.add({ kind: 'conversation-key', conversation, ...lines, by: by.signingKey }, by)
    keys.push({ id, key: Buffer.from(bytes).toString('hex'), commitment, roster: text, rosterHash })
    return { bytes, hash: link.hash }
  }

  await users.alice.user(binding('device-add', laptop), laptop)
  await users.bob.user(binding('device-add', bob), bob)
  await users.carol.user(binding('device-add', carol), carol)

  const admin = { username: 'alice', role: 'admin', root: laptop.signingKey } as const
  const member = { username: 'bob', role: 'member', root: bob.signingKey } as const
  const newcomer = { username: 'carol', role: 'member', root: carol.signingKey } as const
  await chain.change(
    { kind: 'conversation-create', conversationKind: 'group', members: [admin, member] },
    laptop
  )
  const first = await key(laptop, [laptop, bob], ['alice', 'bob'])

  await users.alice.user(binding('device-add', tablet), tablet, laptop)
  const added = await addWrap(first.bytes, first.hash)

  await chain.change({ kind: 'conversation-add', member: newcomer }, laptop)
  await chain.change({ kind: 'conversation-role', member: { ...member, role: 'admin' } }, laptop)
  await chain.change({ kind: 'conversation-timer', messageTtl: 604_800 }, laptop)
  const second = await key(laptop, [laptop, tablet, bob, carol], ['alice', 'carol'])
  const wrap = oaep(groupKeys.carol.encryptionKey, second.bytes).toString('base64')

  await users.alice.user({ kind: 'device-revoke', user: 'alice', device: laptop.id }, tablet)
  await users.bob.user(binding('device-rekey', bobRekeyed, 2), bobRekeyed)
  await users.carol.user(binding('device-reset', carolsPhone), carolsPhone)

  const renewed = { ...newcomer, root: carolsPhone.signingKey }
  await chain.change({ kind: 'conversation-renew', member: renewed }, tablet)
  await key(tablet, [tablet, bobRekeyed, carolsPhone], ['alice', 'bob', 'carol'])
  await chain.change({ kind: 'conversation-remove', username: 'carol' }, tablet)
  await key(tablet, [tablet, bobRekeyed], [])
  await chain.change({ kind: 'conversation-leave' }, bobRekeyed)

  return {
    about: [
      'The group of the worked examples, which see. keys: of the devices that are not in examples.json; bobRekeyed has the',
      'keys that replace Bob’s. users: their chains. links: the conversation’s chain. sessionKeys: in the order of their',
      'links, with the lines of their rosters. wrap: the second one for Carol. added: the first one for Alice’s tablet.'
    ],
    keys: groupKeys,
    users: {
      alice: users.alice.statements,
      bob: users.bob.statements,
      carol: users.carol.statements
    },
    links: chain.statements,
    sessionKeys: keys,
    wrap,
    added
  }
}

/** A later wrap for Alice's tablet. */
async function addWrap(sessionKey: Uint8Array, statement: string) {
  const { laptop, tablet } = cast
  const { encryptionKey, kemKey } = groupKeys.tablet
  const reader = {
    signingKey: tablet.signingKey,
    encryptionKey,
    kemKey: Buffer.from(kemKey!, 'base64')
  }
  const wrap = hybridWrap(reader, statement, sessionKey)
  const text = statementText({
    kind: 'wrap-added',
    conversation,
    key: statement,
    reader: tablet.signingKey,
    wrap: sha256(wrap),
    by: laptop.signingKey
  })
  return { statement: await sign(text, laptop), wrap: wrap.toString('base64') }
}
