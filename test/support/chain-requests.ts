import { randomBytes, randomUUID } from 'node:crypto'
import { parseStatement } from '../../src/protocol/parse-statement.js'
import { rosterText, type RosterDevice } from '../../src/protocol/roster.js'
import type { Statement as Parsed } from '../../src/protocol/statements.js'
import { signed, statementHash, statementText, type Statement } from './interop/chains.js'
import { fingerprint, sha256Hex, type DeviceKeys } from './interop/crypto.js'
import { expect, type Page, type PublicDevice } from './interop/http.js'
import type { InteropClient } from './interop/client.js'

/** A change: the kind behind `conversation-`, and its lines. */
export type Change = readonly [kind: string, ...lines: (readonly [name: string, value: string | number])[]]

export interface State {
  readonly sequence: number
  readonly head: string
}

/** A user as the profile shows them. */
export interface CurrentUser extends State {
  readonly username: string
  readonly root: string
  readonly devices: readonly PublicDevice[]
}

/** A conversation's chain as far as the next request needs it. */
export interface ChainView extends State {
  readonly id: string
  /** Roots of the members' lines. */
  readonly members: Map<string, string>
  /** The members' states for the newest key. */
  readonly states: Map<string, State>
}

export interface KeyBody {
  id: string
  statement: Statement
  wraps: { deviceId: string; wrappedKey: string }[]
}

export interface RequestBody {
  statements: Statement[]
  key: KeyBody
}

/** What differs from an honest request. */
export interface Liberties {
  /** Users whom nobody has to look up, by username. */
  known?: ReadonlyMap<string, CurrentUser>
  /** In place of the current users. */
  users?: (users: CurrentUser[]) => CurrentUser[]
  keyId?: string
  keyText?: (text: string) => string
  wraps?: (wraps: KeyBody['wraps']) => KeyBody['wraps']
  signer?: DeviceKeys
}

export async function currentUser(by: InteropClient, username: string): Promise<CurrentUser> {
  const { body } = expect(
    await by.raw<{
      root: string
      devices: PublicDevice[]
      chain: { head: string; items: Statement[]; next: string | null }
    }>('GET', `/v1/users/${username}?limit=200`),
    200
  )
  return {
    username,
    root: body.root,
    devices: body.devices,
    sequence: body.chain.items.length,
    head: body.chain.head
  }
}

const KINDS = ['create', 'add', 'role', 'renew', 'remove', 'leave', 'timer', 'key'].map(
  (kind) => `conversation-${kind}`
) as Extract<Parsed['kind'], `conversation-${string}`>[]

/** The chain as the server shows it. It is believed: the tests of clients verify. */
export async function readChain(by: InteropClient, id: string): Promise<ChainView> {
  const texts: string[] = []
  for (let next: string | null = '0'; next !== null;) {
    const path = `/v1/conversations/${id}/chain?after=${next}`
    const page: Page<Statement> = expect(await by.raw<Page<Statement>>('GET', path), 200).body
    texts.push(...page.items.map(({ text }) => text))
    next = page.next
  }
  const view = { members: new Map<string, string>(), states: new Map<string, State>() }
  const owners = new Map<string, string>()
  for (const text of texts) {
    const statement = parseStatement(text, KINDS)
    await fold(view, statement, async (by_) => {
      for (const name of view.members.keys())
        if (!owners.has(by_))
          for (const { signingKey } of (await currentUser(by, name)).devices)
            owners.set(fingerprint(signingKey), name)
      return owners.get(by_)!
    })
  }
  return { id, ...view, sequence: texts.length, head: statementHash({ text: texts.at(-1)!, signatures: {} }) }
}

async function fold(
  { members, states }: Pick<ChainView, 'members' | 'states'>,
  statement: Parsed,
  ownerOf: (signingKey: string) => Promise<string>
): Promise<void> {
  const drop = (name: string) => void (members.delete(name), states.delete(name))
  if (statement.kind === 'conversation-create')
    for (const { username, root } of statement.members) members.set(username, root)
  else if (statement.kind === 'conversation-key')
    for (const { username, sequence, head } of statement.state) states.set(username, { sequence, head })
  else if (statement.kind === 'conversation-remove') drop(statement.username)
  else if (statement.kind === 'conversation-leave') drop(await ownerOf(statement.by))
  else if ('member' in statement) members.set(statement.member.username, statement.member.root)
}

/** A request that makes these changes, with the key that follows. Without changes it is only a key. */
export async function chainRequest(
  by: InteropClient,
  view: ChainView,
  changes: readonly Change[],
  liberties: Liberties = {}
): Promise<RequestBody> {
  const { id } = view
  const signer = liberties.signer ?? by.keys
  let { sequence, head } = view
  const next = (kind: string, lines: Change[1][]): Statement => {
    const statement = signed(
      statementText(`conversation-${kind}`, [
        ['conversation', id],
        ['sequence', ++sequence],
        ['previous', head],
        ...lines,
        ['by', signer.signingFp]
      ]),
      signer
    )
    head = statementHash(statement)
    return statement
  }
  const members = new Map(view.members)
  const states = new Map(view.states)
  const statements: Statement[] = []
  for (const [kind, ...lines] of changes) {
    statements.push(next(kind, lines))
    await fold({ members, states }, parseStatement(statements.at(-1)!.text, KINDS), () =>
      Promise.resolve(by.username)
    ).catch(() => undefined)
  }
  const found = await lookUp(by, [...members.keys()], liberties.known)
  const users = liberties.users?.(found) ?? found
  const roster: RosterDevice[] = users.flatMap(({ username, root, devices }) =>
    root !== members.get(username) ? [] : devices.map((device) => ({ username, ...rosterDevice(device) }))
  )
  const keyId = liberties.keyId ?? randomUUID()
  const stateLines = users
    .filter(({ username, ...now }) => states.get(username)?.head !== now.head)
    .map(({ username, ...now }) => ['state', `${username} ${now.sequence} ${now.head}`] as const)
    .sort(([, a], [, b]) => (a < b ? -1 : 1))
  const statement = next('key', [
    ['session-key', keyId],
    ['commitment', sha256Hex(randomBytes(32))],
    ...stateLines,
    ['roster', sha256Hex(rosterText(roster))]
  ])
  const changed = liberties.keyText?.(statement.text)
  const wraps = users.flatMap(({ username, root, devices }) =>
    root !== members.get(username) ? [] : devices.map(wrapFor)
  )
  return {
    statements,
    key: {
      id: keyId,
      statement: changed === undefined ? statement : signed(changed, signer),
      wraps: liberties.wraps?.(wraps) ?? wraps
    }
  }
}

function lookUp(
  by: InteropClient,
  names: readonly string[],
  known?: Liberties['known']
): Promise<CurrentUser[]> {
  return Promise.all(names.map(async (name) => known?.get(name) ?? currentUser(by, name)))
}

const fingerprints = new Map<string, string>()

/** To parse a key takes most of the time of a request for hundreds of devices. */
function knownFingerprint(pem: string): string {
  let known = fingerprints.get(pem)
  if (known === undefined) fingerprints.set(pem, (known = fingerprint(pem)))
  return known
}

function rosterDevice({
  id,
  signingKey,
  encryptionKey,
  kemKey
}: PublicDevice): Omit<RosterDevice, 'username'> {
  return {
    id,
    signingKey: knownFingerprint(signingKey),
    encryptionKey: knownFingerprint(encryptionKey),
    kemKey: kemKey === undefined ? '-' : sha256Hex(Buffer.from(kemKey, 'base64'))
  }
}

/** Random bytes of the size of a wrap for the device: nobody opens it. */
export function wrapFor(
  device: Pick<PublicDevice, 'id' | 'encryptionKey' | 'kemKey'>
): KeyBody['wraps'][number] {
  const modulus = device.encryptionKey.length > 700 ? 512 : device.encryptionKey.length > 500 ? 384 : 256
  const bytes = device.kemKey === undefined ? modulus : 1088 + modulus + 48
  return { deviceId: device.id, wrappedKey: randomBytes(bytes).toString('base64') }
}

/** A new conversation of these users, sorted by name; `admin` is the only one, if there is one. */
export async function creation(
  by: InteropClient,
  kind: 'group' | 'direct' | 'self',
  others: readonly string[],
  { id = randomUUID(), ...liberties }: Liberties & { id?: string } = {}
): Promise<RequestBody & { id: string }> {
  const names = [...new Set([by.username, ...others])].sort()
  const users = await lookUp(by, names, liberties.known)
  const role = (name: string) => (kind === 'group' && name === by.username ? 'admin' : 'member')
  const lines = users.map(
    ({ username, root }) => ['member', `${username} ${role(username)} ${root}`] as const
  )
  const view = { id, members: new Map(), states: new Map(), sequence: 0, head: '-' }
  return { id, ...(await chainRequest(by, view, [['create', ['kind', kind], ...lines]], liberties)) }
}
