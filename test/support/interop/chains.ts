import { sha256Hex, sign, verify, type DeviceKeys } from './crypto.js'
import { check, given } from './refused.js'

export interface Statement {
  readonly text: string
  readonly signatures: Readonly<Record<string, string>>
}

/** A statement taken apart: `lines` holds what follows the first line, in order. */
export interface Parsed {
  readonly kind: string
  readonly lines: readonly (readonly [name: string, value: string])[]
}

/** Public keys by fingerprint, as far as this client has met them. Only chains say whose they are. */
export type KnownKeys = ReadonlyMap<string, string>

/** Where a statement of a chain stands. */
export interface Link {
  readonly sequence: number
  readonly head: string
}

/** Before the first statement of a chain. */
export const NO_LINK: Link = { sequence: 0, head: '-' }

const username = '[a-z][a-z0-9_.-]{2,31}'
const uuid = '[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}'
const hash = '[0-9a-f]{64}'
const number = '[1-9][0-9]{0,8}'
const forms: Readonly<Record<string, string>> = {
  user: username,
  device: uuid,
  conversation: uuid,
  'session-key': uuid,
  sequence: number,
  previous: `(?:${hash}|-)`,
  purpose: '(?:chat|recovery)',
  'signing-key': hash,
  'encryption-key': hash,
  'kem-key': `(?:${hash}|-)`,
  'encryption-version': number,
  kind: '(?:direct|group|self)',
  member: `${username} (?:admin|member) ${hash}`,
  'message-ttl': `(?:${number}|0)`,
  state: `${username} ${number} ${hash}`,
  commitment: hash,
  roster: hash,
  key: hash,
  reader: hash,
  wrap: hash,
  server: 'https?://(?:[a-z0-9_.-]{1,253}|\\[[0-9a-f:.]{2,45}\\])(?::[0-9]{1,5})?',
  nonce: '[A-Za-z0-9+/]{72}',
  by: hash
}

const device = 'user sequence previous device'
const deviceKeys = `${device} purpose signing-key encryption-key kem-key encryption-version`
const change = 'conversation sequence previous'
/** The names of the lines in their order. A line with `+` stands once or more, one with `*` never or more. */
const shapes: Readonly<Record<string, string>> = {
  'device-add': deviceKeys,
  'device-rekey': deviceKeys,
  'device-reset': deviceKeys,
  'device-revoke': device,
  'conversation-create': `${change} kind member+ by`,
  'conversation-add': `${change} member by`,
  'conversation-role': `${change} member by`,
  'conversation-renew': `${change} member by`,
  'conversation-remove': `${change} member by`,
  'conversation-timer': `${change} message-ttl by`,
  'conversation-leave': `${change} by`,
  'conversation-key': `${change} session-key commitment state* roster by`,
  'wrap-added': 'conversation key reader wrap by',
  'device-login': 'server user device nonce by'
}

const patterns = new Map(
  Object.entries(shapes).map(([kind, shape]) => {
    const lines = shape.split(' ').map((line) => {
      const [, name = '', times = ''] = /^([a-z-]+)([+*]?)$/.exec(line) ?? []
      const form = kind === 'conversation-remove' && name === 'member' ? username : forms[name]
      return `(?:${name} ${form}\n)${times}`
    })
    return [kind, new RegExp(`^secure-chat/v1 ${kind}\n${lines.join('')}$`)]
  })
)

const MAX_TEXT = 160_000
const MAX_MEMBERS = 1024

export const statementHash = (statement: Statement): string => sha256Hex(statement.text)

export const statementText = (kind: string, lines: readonly (readonly [string, string | number])[]): string =>
  `secure-chat/v1 ${kind}\n${lines.map(([name, value]) => `${name} ${value}\n`).join('')}`

/** What a device signs to sign in with its key. @throws Refused if it would be no statement */
export function loginText(server: string, user: string, device: string, nonce: string, by: string): string {
  const text = statementText('device-login', [
    ['server', server],
    ['user', user],
    ['device', device],
    ['nonce', nonce],
    ['by', by]
  ])
  parseStatement(text)
  return text
}

export const signed = (text: string, ...signers: readonly DeviceKeys[]): Statement => ({
  text,
  signatures: Object.fromEntries(signers.map((keys) => [keys.signingFp, sign(keys, text)]))
})

export const cosigned = (statement: Statement, keys: DeviceKeys): Statement => ({
  text: statement.text,
  signatures: { ...statement.signatures, [keys.signingFp]: sign(keys, statement.text) }
})

/** @throws Refused unless the text is a statement of a known kind, with its lines in their one order and form */
export function parseStatement(text: string): Parsed {
  check(text.length <= MAX_TEXT, `a statement of ${text.length} characters`)
  const kind = /^secure-chat\/v1 ([a-z-]+)\n/.exec(text)?.[1] ?? ''
  const fits = patterns.get(kind)?.test(text) === true
  check(fits, `not a statement: ${JSON.stringify(text.slice(0, 200))}`)
  const lines = text.split('\n').slice(1, -1).map(splitLine)
  for (const name of ['member', 'state']) {
    const users = lines.filter(([line]) => line === name).map(([, value]) => value.split(' ')[0] ?? '')
    check(users.length <= MAX_MEMBERS, `${users.length} ${name} lines`)
    const sorted = users.every((user, at) => at === 0 || user > (users[at - 1] ?? ''))
    check(sorted, `${name} lines are not sorted, or name a user twice`)
  }
  return { kind, lines }
}

function splitLine(line: string): readonly [string, string] {
  const at = line.indexOf(' ')
  return [line.slice(0, at), line.slice(at + 1)]
}

/** The values of all lines of this name, each split at its spaces. */
export const values = (parsed: Parsed, name: string): string[][] =>
  parsed.lines.filter(([line]) => line === name).map(([, value]) => value.split(' '))

export const value = (parsed: Parsed, name: string): string =>
  given(parsed.lines.find(([line]) => line === name)?.[1], `a ${parsed.kind} without ${name}`)

/** @throws Refused unless the statement follows, with its number and the hash of the one before */
export function requireLink(parsed: Parsed, { sequence, head }: Link): void {
  check(value(parsed, 'sequence') === String(sequence + 1), `the sequence is not ${sequence + 1}`)
  check(value(parsed, 'previous') === head, `statement ${sequence + 1} does not extend the one before`)
}

/** The fingerprints that have signed. @throws Refused unless each signature verifies, and there are one or two */
export function signersOf({ text, signatures }: Statement, known: KnownKeys): string[] {
  const signers = Object.entries(signatures)
  check(signers.length === 1 || signers.length === 2, `${signers.length} signatures`)
  for (const [fp, signature] of signers) {
    const key = given(known.get(fp), `no public key is known for ${fp}, which signed ${text}`)
    check(verify(key, text, signature), `a wrong signature of ${fp} under ${text}`)
  }
  return signers.map(([fp]) => fp)
}

/** @throws Refused unless this key has signed, and no other */
export function requireSignature(statement: Statement, fp: string, known: KnownKeys): void {
  check(signersOf(statement, known).join() === fp, `not signed by ${fp} only: ${statement.text}`)
}
