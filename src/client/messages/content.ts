import { UUID, SHA256_HEX, BASE64, USERNAME } from '../../protocol/ids.js'
import { MAX_MESSAGES_PER_KEY } from '../../protocol/messages.js'
import { ChatError } from '../errors.js'
import type { Content, MessageRef, ReceivedContent } from '../types/content.js'

/** The members of a message's plaintext beside its content. */
export interface Envelope {
  n: number
  sentAt: string
}

const uuid = new RegExp(`^${UUID}$`)
const username = new RegExp(`^${USERNAME}$`)
const hash = new RegExp(`^${SHA256_HEX}$`)
const base64 = new RegExp(`^${BASE64}$`)
const time = /^\d{4}-\d{2}-\d{2}T\d{2}:\d{2}:\d{2}\.\d{3}Z$/

type Check = (value: unknown) => boolean

const isText: Check = (value) => typeof value === 'string' && !/\p{Cs}/u.test(value)
const isNonEmpty: Check = (value) => isText(value) && value !== ''
const isId: Check = (value) => typeof value === 'string' && uuid.test(value)
const isRef: Check = (value) => isObject(value) && isId(value['id']) && isHash(value['digest'])
const isHash: Check = (value) => typeof value === 'string' && hash.test(value)
const isSize: Check = (value) => Number.isSafeInteger(value) && (value as number) >= 0
const isKey: Check = (value) => typeof value === 'string' && value.length === 44 && base64.test(value)
const isBase64: Check = (value) => typeof value === 'string' && base64.test(value)
const isShort: Check = (value) => isNonEmpty(value) && (value as string).length <= 256
const isSequence: Check = (value) => Number.isSafeInteger(value) && (value as number) >= 1
const isUsername: Check = (value) => typeof value === 'string' && username.test(value)
const isHead = (value: Record<string, unknown>): boolean =>
  isSequence(value['sequence']) && isHash(value['head'])
/** Most characters of the reason of a report. */
const MAX_REASON = 1000
/** Most entries of a list in a message. */
const MAX_ENTRIES = 200
/** Most parts of a set. */
const MAX_PARTS = 1000
const isRecordOf =
  (isName: Check, check: Check): Check =>
  (value) =>
    isObject(value) &&
    Object.keys(value).length <= MAX_ENTRIES &&
    Object.entries(value).every(([name, item]) => isName(name) && check(item))
const optional =
  (check: Check): Check =>
  (value) =>
    value === undefined || check(value)

/** The members of each type of content, each with its check. */
const members: Record<Content['type'], Record<string, Check>> = {
  text: { text: isNonEmpty, ref: optional(isRef) },
  edit: { ref: isRef, text: isNonEmpty },
  retract: { ref: isRef },
  void: {},
  welcome: { conversation: isId, sequence: isSequence, head: isHash },
  lacks: {
    conversation: isId,
    keys: (value) => Array.isArray(value) && value.length <= MAX_ENTRIES && value.every(isHash)
  },
  report: {
    message: (value) =>
      isObject(value) &&
      isId(value['id']) &&
      isId(value['conversationId']) &&
      isHash(value['key']) &&
      isObject(value['sender']) &&
      isUsername(value['sender']['username']) &&
      isId(value['sender']['deviceId']) &&
      [value['iv'], value['ciphertext'], value['signature']].every(isBase64),
    messageKey: isKey,
    reason: (value) => isText(value) && (value as string).length <= MAX_REASON
  },
  hello: { invitation: isHash, proof: isKey },
  trust: {
    users: isRecordOf(
      isUsername,
      (value) =>
        isObject(value) &&
        isHead(value) &&
        isHash(value['root']) &&
        isSequence(value['since']) &&
        typeof value['verified'] === 'boolean' &&
        typeof value['decided'] === 'boolean'
    ),
    conversations: isRecordOf(isId, (value) => isObject(value) && isHead(value)),
    set: optional(
      (value) =>
        isObject(value) &&
        isId(value['id']) &&
        isSequence(value['part']) &&
        isSequence(value['parts']) &&
        (value['part'] as number) <= (value['parts'] as number) &&
        (value['parts'] as number) <= MAX_PARTS
    )
  },
  reaction: { ref: isRef, text: (value) => isText(value) && (value as string).length <= 64 },
  title: { text: isShort },
  file: {
    attachment: isId,
    name: isShort,
    mediaType: isShort,
    size: isSize,
    sha256: isHash,
    key: isKey,
    text: optional(isNonEmpty)
  }
}

/**
 * Check content that is about to be sent; a string stands for a text.
 *
 * @throws {ChatError} `usage`, `invalid-content`
 */
export function checkContent(given: string | Content): Content {
  const content = typeof given === 'string' ? { type: 'text' as const, text: given } : given
  if (!isObject(content)) throw invalidContent()
  if (content.type === 'text' && content.text === '')
    throw new ChatError('usage', 'empty-message', 'There is nothing in the message.')
  if (content.type === 'title' && !isShort(content.text))
    throw new ChatError('usage', 'invalid-title', 'The title of a group has 1 to 256 characters.')
  const checked = pick(content)
  if (checked === null || checked.type === 'unknown') throw invalidContent()
  return checked
}

function invalidContent(): ChatError {
  return new ChatError('usage', 'invalid-content', 'The content does not have the form of its type.', {
    hint: 'A message is a text, or an object with a `type` and the members of that type.'
  })
}

/**
 * The content, counter and time of a verified message. A type that this client does not know becomes
 * `unknown`; members that it does not know are left out.
 *
 * @throws {ChatError} `untrusted`, `malformed-message` if it lacks what every message must have
 */
export function readContent(plaintext: unknown): { content: ReceivedContent } & Envelope {
  const malformed = (what: string) =>
    new ChatError('untrusted', 'malformed-message', `A signed message has no valid ${what}.`)
  if (!isObject(plaintext)) throw malformed('form')
  const { n, sentAt } = plaintext
  if (!Number.isSafeInteger(n) || (n as number) < 1 || (n as number) > MAX_MESSAGES_PER_KEY)
    throw malformed('counter')
  if (typeof sentAt !== 'string' || !time.test(sentAt) || Number.isNaN(Date.parse(sentAt)))
    throw malformed('time')
  const content = pick(plaintext)
  if (content === null) throw malformed('content')
  return { content, n: n as number, sentAt }
}

function isObject(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}

/** A whole message names itself. */
function toRef(given: unknown): MessageRef {
  const { id, digest } = given as MessageRef
  return { id, digest }
}

/** Null if the members do not fit the type. */
function pick(given: Record<string, unknown>): ReceivedContent | null {
  const { type } = given
  if (typeof type !== 'string' || type === '') return null
  if (!Object.hasOwn(members, type)) return { type: 'unknown', of: type.slice(0, 64) }
  const content: Record<string, unknown> = { type }
  for (const [name, check] of Object.entries(members[type as Content['type']])) {
    if (!check(given[name])) return null
    if (given[name] !== undefined) content[name] = name === 'ref' ? toRef(given[name]) : given[name]
  }
  return content as unknown as Content
}
