import { sha256Hex, sign, verify, type DeviceKeys } from './crypto.js'

export interface Statement {
  readonly text: string
  readonly signatures: Readonly<Record<string, string>>
}

/** A statement taken apart: `lines` holds what follows the first line, in order. */
interface Parsed {
  readonly kind: string
  readonly lines: readonly (readonly [name: string, value: string])[]
}

export interface ChainDevice {
  readonly id: string
  readonly signingFp: string
  readonly encryptionFp: string
  readonly version: number
}

export interface UserChain {
  readonly user: string
  readonly root: string
  readonly head: string
  readonly sequence: number
  /** Active devices by id. */
  readonly active: ReadonlyMap<string, ChainDevice>
  /** Every device there ever was, by id. */
  readonly ever: ReadonlyMap<string, ChainDevice>
}

export interface Member {
  readonly role: string
  readonly root: string
}

export interface ConversationChain {
  readonly id: string
  readonly kind: string
  readonly head: string
  readonly sequence: number
  readonly members: ReadonlyMap<string, Member>
}

/** Public keys by fingerprint, as far as this client has met them. */
export type KnownKeys = ReadonlyMap<string, string>

const chain = ['sequence', 'previous']
const deviceLines = ['user', ...chain, 'device', 'signing-key', 'encryption-key', 'encryption-version']
const shapes: Readonly<Record<string, readonly string[]>> = {
  'device-add': deviceLines,
  'device-rekey': deviceLines,
  'device-reset': deviceLines,
  'device-revoke': ['user', ...chain, 'device'],
  'conversation-create': ['conversation', ...chain, 'kind', 'member', 'by'],
  'conversation-add': ['conversation', ...chain, 'member', 'by'],
  'conversation-role': ['conversation', ...chain, 'member', 'by'],
  'conversation-remove': ['conversation', ...chain, 'member', 'by'],
  'conversation-leave': ['conversation', ...chain, 'by'],
  'session-key': ['conversation', 'session-key', 'head', 'commitment', 'roster', 'by']
}

export const statementHash = (statement: Statement): string => sha256Hex(statement.text)

export const statementText = (kind: string, lines: readonly (readonly [string, string | number])[]): string =>
  `secure-chat/v1 ${kind}\n${lines.map(([name, value]) => `${name} ${value}\n`).join('')}`

export const signed = (text: string, ...signers: readonly DeviceKeys[]): Statement => ({
  text,
  signatures: Object.fromEntries(signers.map((keys) => [keys.signingFp, sign(keys, text)]))
})

export const cosigned = (statement: Statement, keys: DeviceKeys): Statement => ({
  text: statement.text,
  signatures: { ...statement.signatures, [keys.signingFp]: sign(keys, statement.text) }
})

/** @throws unless the text is a statement of a known kind with its lines in their one order. */
export function parseStatement(text: string): Parsed {
  const [first, ...rest] = text.split('\n')
  const kind = first?.startsWith('secure-chat/v1 ') === true ? first.slice(15) : ''
  const shape = shapes[kind]
  if (shape === undefined || rest.pop() !== '') throw new Error(`not a statement: ${JSON.stringify(text)}`)
  const lines = rest.map((line) => {
    const at = line.indexOf(' ')
    return [line.slice(0, at), line.slice(at + 1)] as const
  })
  const names = lines
    .map(([name]) => name)
    .filter((name, i, all) => name !== 'member' || all[i - 1] !== 'member')
  if (names.join() !== shape.join()) throw new Error(`lines of ${kind}: ${names.join()}`)
  const members = lines.filter(([name]) => name === 'member').length
  if (kind !== 'conversation-create' && members > 1) throw new Error(`${members} members in a ${kind}`)
  return { kind, lines }
}

export function value(parsed: Parsed, name: string): string {
  const line = parsed.lines.find(([key]) => key === name)
  if (line === undefined) throw new Error(`a ${parsed.kind} without ${name}`)
  return line[1]
}

/** @throws unless the statement bears this key's signature. A key nobody serves any more can't be checked. */
export function requireSignature(statement: Statement, fp: string, known: KnownKeys): void {
  const signature = statement.signatures[fp]
  if (signature === undefined) throw new Error(`no signature of ${fp} under ${statement.text}`)
  const pem = known.get(fp)
  if (pem !== undefined && !verify(pem, statement.text, signature)) {
    throw new Error(`a wrong signature of ${fp} under ${statement.text}`)
  }
}

function requireLink(parsed: Parsed, sequence: number, head: string): void {
  if (value(parsed, 'sequence') !== String(sequence)) throw new Error(`sequence is not ${sequence}`)
  if (value(parsed, 'previous') !== head)
    throw new Error(`statement ${sequence} does not extend the one before`)
}

const someSigner = (statement: Statement, devices: Iterable<ChainDevice>): string =>
  [...devices].find((device) => statement.signatures[device.signingFp] !== undefined)?.signingFp ??
  'any active device'

/** Replays a user's chain from its beginning. @throws at the first statement that does not stand. */
export function replayUser(user: string, statements: readonly Statement[], known: KnownKeys): UserChain {
  const active = new Map<string, ChainDevice>()
  const ever = new Map<string, ChainDevice>()
  let root = ''
  let head = '-'
  let sequence = 0
  for (const statement of statements) {
    const parsed = parseStatement(statement.text)
    requireLink(parsed, ++sequence, head)
    if (value(parsed, 'user') !== user)
      throw new Error(`a statement of ${value(parsed, 'user')}, not ${user}`)
    const id = value(parsed, 'device')
    if (parsed.kind === 'device-revoke') {
      requireSignature(statement, someSigner(statement, active.values()), known)
      if (!active.delete(id)) throw new Error(`revokes ${id}, which is not active`)
    } else {
      const device: ChainDevice = {
        id,
        signingFp: value(parsed, 'signing-key'),
        encryptionFp: value(parsed, 'encryption-key'),
        version: Number(value(parsed, 'encryption-version'))
      }
      requireSignature(statement, device.signingFp, known)
      if (parsed.kind === 'device-rekey') {
        const before = active.get(id)
        if (before?.signingFp !== device.signingFp || device.version !== before.version + 1) {
          throw new Error(`rekey of ${id} does not follow its version ${before?.version ?? '-'}`)
        }
      } else {
        if (ever.has(id) || device.version !== 1) throw new Error(`device ${id} is not new`)
        if (parsed.kind === 'device-reset') active.clear()
        else if (sequence > 1) requireSignature(statement, someSigner(statement, active.values()), known)
        if (parsed.kind === 'device-reset' || sequence === 1) root = device.signingFp
      }
      active.set(id, device)
      ever.set(id, device)
    }
    head = statementHash(statement)
  }
  for (const device of active.values()) {
    if (!known.has(device.signingFp))
      throw new Error(`no signing key is served for the active device ${device.id}`)
  }
  return { user, root, head, sequence, active, ever }
}

/**
 * Replays a conversation's chain.
 * @param ownerOf whose device a signing key is or was; undefined for a key of nobody this client knows.
 */
export function replayConversation(
  id: string,
  statements: readonly Statement[],
  known: KnownKeys,
  ownerOf: (fp: string) => string | undefined
): ConversationChain {
  const members = new Map<string, Member>()
  let kind = ''
  let head = '-'
  let sequence = 0
  for (const statement of statements) {
    const parsed = parseStatement(statement.text)
    requireLink(parsed, ++sequence, head)
    if (value(parsed, 'conversation') !== id) throw new Error('a statement of another conversation')
    const by = value(parsed, 'by')
    requireSignature(statement, by, known)
    const actor = ownerOf(by)
    if (actor === undefined) throw new Error(`signed by ${by}, a device of nobody`)
    if (sequence > 1 && !members.has(actor)) throw new Error(`${actor} acts, and is not a member`)
    const lines = parsed.lines.filter(([name]) => name === 'member').map(([, line]) => line.split(' '))
    if ((parsed.kind === 'conversation-create') !== (sequence === 1))
      throw new Error(`${parsed.kind} at ${sequence}`)
    if (parsed.kind === 'conversation-create') kind = value(parsed, 'kind')
    else if (
      parsed.kind !== 'conversation-leave' &&
      kind === 'group' &&
      members.get(actor)?.role !== 'admin'
    ) {
      throw new Error(`${actor} acts, and is not an admin`)
    }
    if (parsed.kind === 'conversation-leave') members.delete(actor)
    else if (parsed.kind === 'conversation-remove') {
      if (!members.delete(lines[0]?.[0] ?? '')) throw new Error('removes somebody who is not a member')
    } else {
      for (const [name, role, root] of lines) {
        if (name === undefined || role === undefined || root === undefined)
          throw new Error('half a member line')
        members.set(name, { role, root })
      }
    }
    if (parsed.kind === 'conversation-create' && !members.has(actor)) throw new Error('made by an outsider')
    head = statementHash(statement)
  }
  return { id, kind, head, sequence, members }
}
