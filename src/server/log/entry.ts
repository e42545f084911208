import type { DurableEvent } from '../../protocol/events.js'
import { toMessage, type StoredMessage } from './message.js'

/** Events that only the server's own processes read: sessions were revoked, counters set to nothing … */
export const SESSIONS_ENDED = 'sessions.ended'
export const LIMITS_RESET = 'limits.reset'
export const NOTICE_CHANGED = 'notice.changed'
type ProcessEvent = typeof SESSIONS_ENDED | typeof LIMITS_RESET | typeof NOTICE_CHANGED
export type EventType = Exclude<DurableEvent, 'message'> | ProcessEvent
/** What was at this position is erased. */
export const ERASED = 'erased'

/** One event of the log, as the tail and the streams pass it on. */
export interface Entry {
  readonly position: number
  readonly type: DurableEvent | ProcessEvent | typeof ERASED
  /** The event's data, one line of JSON. That of a message is made by the first call: most messages are never read here. */
  json(): string
  /** About as many bytes as `json()` has. */
  readonly size: number
  readonly conversationId: string | null
  /** The users who see an event that belongs to no conversation. */
  readonly recipients: readonly string[]
  /** Users whom this event adds to the conversation. */
  readonly joined: readonly string[]
  /** Users whom it removes. */
  readonly left: readonly string[]
}

/** A row of `EVENT_COLUMNS`. If it is no message it has null in place of the message's columns. */
export interface EventRow extends Omit<StoredMessage, 'conversationId'> {
  type: Entry['type']
  conversationId: string | null
  data: string | null
  recipients?: string[] | null
  joined?: string[] | null
  left?: string[] | null
}

/** SQL: bytes as base64 in one line. */
export const base64 = (expression: string) => `replace(encode(${expression}, 'base64'), E'\\n', '')`

/** RFC 3339 in UTC with milliseconds. */
export const isoTime = (expression: string) =>
  `to_char(${expression} at time zone 'utc', 'YYYY-MM-DD"T"HH24:MI:SS.MS"Z"')`

/** A position as a JavaScript number: drivers give a bigint as text. */
export const asNumber = (expression: string) => `${expression}::float8`

/** The columns of an entry, from `EVENT_TABLES`. */
export const EVENT_COLUMNS = `
  ${asNumber('e.position')} as position, e.type, e.conversation_id as "conversationId",
  ${isoTime('e.created_at')} as "createdAt", e.data::text as data,
  e.message_id as id, e.sender_id as "senderId", u.username as "senderUsername",
  e.sender_device_id as "senderDeviceId", e.session_key_id as "sessionKeyId", k.hash as key,
  ${base64('e.iv')} as iv, ${base64('e.ciphertext')} as ciphertext,
  ${base64('e.signature')} as signature`

/** What a message names, joined to `events e`: its sender and its session key. */
export const EVENT_TABLES = `
  left join users u on u.id = e.sender_id left join session_keys k on k.id = e.session_key_id`

export function toEntry(row: EventRow): Entry {
  if (row.type === 'message') return new MessageEntry(row as StoredMessage)
  const { position, type, conversationId } = row
  // Puts `position` first into the stored JSON object, which is never empty.
  const json = `{"position":${position},${row.data!.slice(1)}`
  return {
    position,
    type,
    json: () => json,
    size: row.data!.length,
    conversationId,
    recipients: row.recipients ?? nobody,
    joined: row.joined ?? nobody,
    left: row.left ?? nobody
  }
}

const nobody: readonly string[] = []
/** Bytes of a message's JSON without its ciphertext, at most. */
export const ENVELOPE_BYTES = 600

/**
 * A message. Its JSON is made when somebody asks for it: all its readers may be on other processes. From then on only the
 * JSON is kept: the tail remembers thousands of messages.
 */
export class MessageEntry implements Entry {
  readonly type = 'message'
  readonly recipients = nobody
  readonly joined = nobody
  readonly left = nobody
  readonly position: number
  readonly conversationId: string
  readonly size: number
  #content: StoredMessage | string

  constructor(message: StoredMessage) {
    this.position = message.position
    this.conversationId = message.conversationId
    this.size = message.ciphertext.length + ENVELOPE_BYTES
    this.#content = message
  }

  json(): string {
    if (typeof this.#content !== 'string') this.#content = JSON.stringify(toMessage(this.#content))
    return this.#content
  }
}
