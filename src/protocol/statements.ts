import { SHA256_HEX, USERNAME, UUID } from './ids.js'
import { RuleViolation } from './rule-violation.js'

/**
 * Signed statements (docs/protocol.md, "Statements"): ASCII lines `name value`, each ended by one LF. The
 * first names the protocol and the kind, the others follow in exactly the order given here. The hash of a
 * statement is the hex SHA-256 of its text. The text that was signed is stored and hashed as it is, never
 * serialised again.
 */
export const PROTOCOL = 'secure-chat/v1'
export const MAX_MEMBERS = 1024

export type Role = 'admin' | 'member'

export interface MemberLine {
  username: string
  role: Role
  root: string
}

interface Link {
  sequence: number
  /** Hash of the previous statement, `-` for the first. */
  previous: string
}

interface DeviceBinding extends Link {
  user: string
  device: string
  signingKey: string
  encryptionKey: string
  encryptionVersion: number
}

interface MembershipChange extends Link {
  conversation: string
  by: string
}

interface Fields {
  'device-add': DeviceBinding
  'device-rekey': DeviceBinding
  'device-reset': DeviceBinding
  'device-revoke': Link & { user: string; device: string }
  'conversation-create': MembershipChange & { conversationKind: 'direct' | 'group'; members: MemberLine[] }
  'conversation-add': MembershipChange & { member: MemberLine }
  'conversation-role': MembershipChange & { member: MemberLine }
  'conversation-remove': MembershipChange & { username: string }
  'conversation-leave': MembershipChange
  'session-key': {
    conversation: string
    sessionKey: string
    head: string
    commitment: string
    roster: string
    by: string
  }
}

type Kind = keyof Fields

/** The parsed form of a statement of kind `K`, discriminated by `kind`. */
export type Statement<K extends Kind = Kind> = { [P in K]: { kind: P } & Fields[P] }[K]
export type UserStatement = Statement<Extract<Kind, `device-${string}`>>
export type ConversationStatement = Statement<Extract<Kind, `conversation-${string}`>>

const pattern = (source: string) => new RegExp(`^(?:${source})$`)
const uuid = pattern(UUID)
const username = pattern(USERNAME)
const hash = pattern(SHA256_HEX)
const previous = pattern(`-|${SHA256_HEX}`)
const counter = /^[1-9][0-9]{0,8}$/
const memberLine = new RegExp(`^(${USERNAME}) (admin|member) (${SHA256_HEX})$`)

/** Reads the lines of one statement in order and reports the first one that is wrong. */
class Lines {
  readonly #lines: string[]
  #at = 1

  constructor(text: string) {
    if (!/^[\x20-\x7e\n]*$/.test(text))
      throw invalid('it may only contain printable ASCII and LF, no CR and no tab')
    if (!text.endsWith('\n')) throw invalid('its last line must end with one LF')
    this.#lines = text.slice(0, -1).split('\n')
  }

  get first(): string {
    return this.#lines[0]!
  }

  peek(name: string): boolean {
    return this.#lines[this.#at]?.startsWith(`${name} `) === true
  }

  take(name: string, form: RegExp): string {
    const line = this.#lines[this.#at]
    const number = this.#at + 1
    if (line === undefined) throw invalid(`line ${number} is missing: expected \`${name} …\``)
    if (!line.startsWith(`${name} `)) throw invalid(`line ${number} must be \`${name} …\``)
    const value = line.slice(name.length + 1)
    if (!form.test(value)) throw invalid(`the value of \`${name}\` in line ${number} is malformed`)
    this.#at++
    return value
  }

  member(): MemberLine {
    const [, name, role, root] = memberLine.exec(this.take('member', memberLine))!
    return { username: name!, role: role as Role, root: root! }
  }

  end(): void {
    if (this.#at < this.#lines.length) throw invalid(`line ${this.#at + 1} is one too many`)
  }
}

function invalid(why: string): RuleViolation {
  return new RuleViolation('invalid-statement', `The statement is not valid: ${why}.`)
}

function link(lines: Lines): Link {
  return {
    sequence: Number(lines.take('sequence', counter)),
    previous: lines.take('previous', previous)
  }
}

function deviceBinding(lines: Lines): DeviceBinding {
  return {
    user: lines.take('user', username),
    ...link(lines),
    device: lines.take('device', uuid),
    signingKey: lines.take('signing-key', hash),
    encryptionKey: lines.take('encryption-key', hash),
    encryptionVersion: Number(lines.take('encryption-version', counter))
  }
}

function membershipChange<T>(lines: Lines, fields: () => T): T & MembershipChange {
  return {
    conversation: lines.take('conversation', uuid),
    ...link(lines),
    ...fields(),
    by: lines.take('by', hash)
  }
}

function members(lines: Lines): MemberLine[] {
  const found: MemberLine[] = []
  while (found.length === 0 || lines.peek('member')) {
    const member = lines.member()
    if (found.length > 0 && found.at(-1)!.username >= member.username)
      throw invalid('`member` lines must be sorted by username, without repeats')
    if (found.push(member) > MAX_MEMBERS) throw invalid(`it may name at most ${MAX_MEMBERS} members`)
  }
  return found
}

const parsers = {
  'device-add': (lines) => ({ kind: 'device-add', ...deviceBinding(lines) }),
  'device-rekey': (lines) => ({ kind: 'device-rekey', ...deviceBinding(lines) }),
  'device-reset': (lines) => ({ kind: 'device-reset', ...deviceBinding(lines) }),
  'device-revoke': (lines) => ({
    kind: 'device-revoke',
    user: lines.take('user', username),
    ...link(lines),
    device: lines.take('device', uuid)
  }),
  'conversation-create': (lines) => ({
    kind: 'conversation-create',
    ...membershipChange(lines, () => ({
      conversationKind: lines.take('kind', /^(direct|group)$/) as 'direct' | 'group',
      members: members(lines)
    }))
  }),
  'conversation-add': (lines) => ({
    kind: 'conversation-add',
    ...membershipChange(lines, () => ({ member: lines.member() }))
  }),
  'conversation-role': (lines) => ({
    kind: 'conversation-role',
    ...membershipChange(lines, () => ({ member: lines.member() }))
  }),
  'conversation-remove': (lines) => ({
    kind: 'conversation-remove',
    ...membershipChange(lines, () => ({ username: lines.take('member', username) }))
  }),
  'conversation-leave': (lines) => ({ kind: 'conversation-leave', ...membershipChange(lines, () => ({})) }),
  'session-key': (lines) => ({
    kind: 'session-key',
    conversation: lines.take('conversation', uuid),
    sessionKey: lines.take('session-key', uuid),
    head: lines.take('head', hash),
    commitment: lines.take('commitment', hash),
    roster: lines.take('roster', hash),
    by: lines.take('by', hash)
  })
} as const satisfies { [K in Kind]: (lines: Lines) => Statement<K> }

/**
 * Parse the text of a statement of one of the `kinds`. Signatures are not verified here.
 *
 * @throws {RuleViolation} `invalid-statement`, with the first line that is wrong
 */
export function parseStatement<K extends Kind>(text: string, kinds: readonly K[]): Statement<K> {
  const lines = new Lines(text)
  const kind = kinds.find((name) => lines.first === `${PROTOCOL} ${name}`)
  if (kind === undefined)
    throw invalid(`its first line must be ${kinds.map((name) => `\`${PROTOCOL} ${name}\``).join(' or ')}`)
  const parse = parsers[kind] as unknown as (lines: Lines) => Statement<K>
  const statement = parse(lines)
  lines.end()
  return statement
}

/** The text whose hash is the `roster` of a session key: one line per device, sorted by bytes. */
export function rosterText(devices: readonly { signingKey: string; encryptionKey: string }[]): string {
  return devices
    .map((device) => `${device.signingKey} ${device.encryptionKey}\n`)
    .sort()
    .join('')
}
