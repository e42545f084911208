import { BASE64_NONCE, ORIGIN, SHA256_HEX, USERNAME, UUID } from './ids.js'
import { RuleViolation } from './rule-violation.js'
import {
  MAX_MEMBERS,
  PROTOCOL,
  type ConversationKind,
  type ConversationLink,
  type DeviceBinding,
  type Kind,
  type Link,
  type MemberLine,
  type Purpose,
  type Role,
  type StateLine,
  type Statement
} from './statements.js'

const pattern = (source: string) => new RegExp(`^(?:${source})$`)
const uuid = pattern(UUID)
const username = pattern(USERNAME)
const hash = pattern(SHA256_HEX)
const previous = pattern(`-|${SHA256_HEX}`)
const kemKey = previous
const origin = pattern(ORIGIN)
const nonce = pattern(BASE64_NONCE)
const counter = /^[1-9][0-9]{0,8}$/
const seconds = /^(?:0|[1-9][0-9]{0,8})$/
const memberLine = new RegExp(`^(${USERNAME}) (admin|member) (${SHA256_HEX})$`)
const stateLine = new RegExp(`^(${USERNAME}) ([1-9][0-9]{0,8}) (${SHA256_HEX})$`)

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

  state(): StateLine {
    const [, name, sequence, head] = stateLine.exec(this.take('state', stateLine))!
    return { username: name!, sequence: Number(sequence), head: head! }
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
    purpose: lines.take('purpose', /^(chat|recovery)$/) as Purpose,
    signingKey: lines.take('signing-key', hash),
    encryptionKey: lines.take('encryption-key', hash),
    kemKey: lines.take('kem-key', kemKey),
    encryptionVersion: Number(lines.take('encryption-version', counter))
  }
}

function conversationLink<T>(lines: Lines, fields: () => T): T & ConversationLink {
  return {
    conversation: lines.take('conversation', uuid),
    ...link(lines),
    ...fields(),
    by: lines.take('by', hash)
  }
}

function members(lines: Lines): MemberLine[] {
  const found = sorted(lines, 'member', () => lines.member())
  if (found.length === 0) lines.member()
  return found
}

/** The lines `name` in a row: sorted by username, each username once. */
function sorted<T extends { username: string }>(lines: Lines, name: string, take: () => T): T[] {
  const found: T[] = []
  while (lines.peek(name)) {
    const line = take()
    if (found.length > 0 && found.at(-1)!.username >= line.username)
      throw invalid(`\`${name}\` lines must be sorted by username, without repeats`)
    if (found.push(line) > MAX_MEMBERS) throw invalid(`it may have at most ${MAX_MEMBERS} \`${name}\` lines`)
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
    ...conversationLink(lines, () => ({
      conversationKind: lines.take('kind', /^(direct|group|self)$/) as ConversationKind,
      members: members(lines)
    }))
  }),
  'conversation-add': (lines) => ({
    kind: 'conversation-add',
    ...conversationLink(lines, () => ({ member: lines.member() }))
  }),
  'conversation-role': (lines) => ({
    kind: 'conversation-role',
    ...conversationLink(lines, () => ({ member: lines.member() }))
  }),
  'conversation-renew': (lines) => ({
    kind: 'conversation-renew',
    ...conversationLink(lines, () => ({ member: lines.member() }))
  }),
  'conversation-remove': (lines) => ({
    kind: 'conversation-remove',
    ...conversationLink(lines, () => ({ username: lines.take('member', username) }))
  }),
  'conversation-leave': (lines) => ({ kind: 'conversation-leave', ...conversationLink(lines, () => ({})) }),
  'conversation-timer': (lines) => ({
    kind: 'conversation-timer',
    ...conversationLink(lines, () => ({ messageTtl: Number(lines.take('message-ttl', seconds)) }))
  }),
  'conversation-key': (lines) => ({
    kind: 'conversation-key',
    ...conversationLink(lines, () => ({
      sessionKey: lines.take('session-key', uuid),
      commitment: lines.take('commitment', hash),
      state: sorted(lines, 'state', () => lines.state()),
      roster: lines.take('roster', hash)
    }))
  }),
  'wrap-added': (lines) => ({
    kind: 'wrap-added',
    conversation: lines.take('conversation', uuid),
    key: lines.take('key', hash),
    reader: lines.take('reader', hash),
    wrap: lines.take('wrap', hash),
    by: lines.take('by', hash)
  }),
  'device-login': (lines) => ({
    kind: 'device-login',
    server: lines.take('server', origin),
    user: lines.take('user', username),
    device: lines.take('device', uuid),
    nonce: lines.take('nonce', nonce),
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
