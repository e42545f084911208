import { randomUUID } from 'node:crypto'
import { sha256Hex } from '../../src/crypto/hash.js'
import { decodeKemKey, kemFingerprint } from '../../src/crypto/kem.js'
import { fingerprint, importEncryptionKey } from '../../src/crypto/keys.js'
import type { Content } from '../../src/crypto/message-json.js'
import { sealMessage } from '../../src/crypto/messages.js'
import { generateSessionKey, sessionKeyCommitment, type SessionKey } from '../../src/crypto/session-keys.js'
import { signStatement, statementHash } from '../../src/crypto/statements.js'
import { wrapSessionKey } from '../../src/crypto/wraps.js'
import type { NewSessionKey } from '../../src/protocol/conversations.js'
import type { NewMessage } from '../../src/protocol/messages.js'
import { rosterText } from '../../src/protocol/roster.js'
import type { SignedStatement } from '../../src/protocol/schema.js'
import { statementText } from '../../src/protocol/statement-texts.js'
import type { ChangeStatement, ConversationKind, Role, StateLine } from '../../src/protocol/statements.js'
import { FakeConversation } from './fake-conversation.js'
import type { FakeUser } from './fake-user.js'
import type { Puppet, PuppetDevice } from './puppet.js'
import type { FakeWorld } from './fake-world.js'

type Distribute<T> = T extends unknown ? Omit<T, 'conversation' | 'sequence' | 'previous' | 'by'> : never
/** A change without its place: `{ kind: 'conversation-remove', username: 'bob' }`. */
export type Change = Distribute<ChangeStatement>

/** A session key that a puppet has made: the test has the secret. */
export interface PuppetKey {
  /** Hash of its statement. */
  readonly hash: string
  readonly secret: SessionKey
  readonly request: { statements: SignedStatement[]; key: NewSessionKey }
}

/** How a key differs from an honest one. */
export interface KeyOptions {
  /** The end of the chain that the request extends. */
  end?: { sequence: number; head: string }
  /** Users who are in after the request; by default those whom the server has. */
  members?: readonly FakeUser[]
  /** State lines in the place of the honest ones. */
  state?: readonly StateLine[]
  /** Ids of devices that are left out. */
  without?: readonly string[]
}

/** The line of a user in a chain, as today. */
export function line(user: FakeUser, role: Role = 'member') {
  return { username: user.username, role, root: user.root }
}

/** A conversation that a puppet creates on the honest server. */
export async function puppetConversation(
  world: FakeWorld,
  kind: ConversationKind,
  members: readonly (readonly [FakeUser, Role?])[],
  by: Puppet
): Promise<{ conversation: FakeConversation; key: PuppetKey }> {
  const conversation = new FakeConversation(randomUUID())
  const lines = members
    .map(([user, role]) => line(user, role))
    .sort((one, other) => (one.username < other.username ? -1 : 1))
  const create: Change = { kind: 'conversation-create', conversationKind: kind, members: lines }
  const users = members.map(([user]) => user)
  const key = await puppetRequest(world, conversation, [create], by.device, { members: users })
  await conversation.append(key.request.statements, key.request.key, world.users)
  world.conversations.set(conversation.id, conversation)
  const items = [...key.request.statements, key.request.key.statement]
  conversation.lastPosition = world.log.append(conversation.members.keys(), 'conversation.created', {
    conversationId: conversation.id,
    kind,
    items
  })
  return { conversation, key }
}

/** Changes with their key, signed by one device, for any place of the chain. Not posted. */
export async function puppetRequest(
  world: FakeWorld,
  conversation: FakeConversation,
  changes: readonly Change[],
  by: Pick<PuppetDevice, 'signing'>,
  options: KeyOptions = {}
): Promise<PuppetKey> {
  const { chain } = conversation.history
  let { sequence, head } = options.end ?? { sequence: chain?.sequence ?? 0, head: chain?.head ?? '-' }
  const statements: SignedStatement[] = []
  const place = () => ({
    conversation: conversation.id,
    sequence: ++sequence,
    previous: head,
    by: by.signing.fingerprint
  })
  for (const change of changes) {
    const text = statementText({ ...change, ...place() })
    statements.push(await signStatement(text, by.signing))
    head = await statementHash(text)
  }
  const users = options.members ?? membersAfter(world, conversation, changes)
  const all = await devicesOf(conversation, users, changes)
  const roster = all.filter(({ id }) => options.without?.includes(id) !== true)
  const secret = await generateSessionKey()
  const text = statementText({
    kind: 'conversation-key',
    ...place(),
    sessionKey: secret.id,
    commitment: await sessionKeyCommitment(secret),
    state: [...(options.state ?? statesOf(conversation, users))],
    roster: await sha256Hex(rosterText(roster))
  })
  const hash = await statementHash(text)
  const wraps = await Promise.all(
    roster.map(async ({ id, signingKey, keys }) => {
      const encryptionKey = await importEncryptionKey(keys.encryptionKey)
      const kemKey = keys.kemKey === undefined ? undefined : decodeKemKey(keys.kemKey)
      return {
        deviceId: id,
        wrappedKey: await wrapSessionKey(secret, { signingKey, encryptionKey, kemKey }, hash)
      }
    })
  )
  const key = { id: secret.id, statement: await signStatement(text, by.signing), wraps }
  return { hash, secret, request: { statements, key } }
}

/** A message as a puppet's device seals it. */
export function puppetMessage(
  conversation: FakeConversation,
  { hash, secret }: PuppetKey,
  { signing }: Pick<PuppetDevice, 'signing'>,
  content: Content,
  id: string = randomUUID()
): Promise<NewMessage> {
  const place = { conversationId: conversation.id, key: hash, id, sessionKey: secret }
  return sealMessage({ ...place, signer: signing, content })
}

function membersAfter(
  world: FakeWorld,
  { members }: FakeConversation,
  changes: readonly Change[]
): FakeUser[] {
  const names = new Set(members.keys())
  for (const change of changes) {
    if (change.kind === 'conversation-add') names.add(change.member.username)
    if (change.kind === 'conversation-remove') names.delete(change.username)
  }
  return [...names].map((username) => world.requireUser(username))
}

/** The lines that are new or differ. */
function statesOf({ members }: FakeConversation, users: readonly FakeUser[]): StateLine[] {
  return users
    .map(({ username, statements, head }) => ({ username, sequence: statements.length, head }))
    .filter(({ username, head }) => members.get(username)?.state.head !== head)
    .sort((one, other) => (one.username < other.username ? -1 : 1))
}

async function devicesOf(
  { members }: FakeConversation,
  users: readonly FakeUser[],
  changes: readonly Change[]
) {
  const renewed = changes.flatMap((one) => (one.kind === 'conversation-renew' ? [one.member.username] : []))
  const current = users.filter(
    ({ username, root }) => renewed.includes(username) || (members.get(username)?.root ?? root) === root
  )
  return Promise.all(
    current.flatMap(({ username, active }) =>
      active.map(async ({ id, signingKey, encryptionKey, kemKey }) => ({
        username,
        id,
        signingKey: await fingerprint(signingKey),
        encryptionKey: await fingerprint(encryptionKey),
        kemKey: kemKey === undefined ? '-' : await kemFingerprint(decodeKemKey(kemKey)),
        keys: { encryptionKey, ...(kemKey !== undefined && { kemKey }) }
      }))
    )
  )
}
