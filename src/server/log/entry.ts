import type { Message } from '../../protocol/messages.js'
import type { DurableEvent } from '../../protocol/events.js'

/** The type of an event that only the server's own processes read: sessions that were revoked. */
export const SESSIONS_ENDED = 'sessions.ended'
export type EventType = Exclude<DurableEvent, 'message'> | typeof SESSIONS_ENDED

/** One event of the log, as the tail and the streams pass it on. */
export interface Entry {
  position: number
  type: DurableEvent | typeof SESSIONS_ENDED
  /** The event's data, one line of JSON. */
  readonly json: string
  /** Its length, about. */
  size: number
  conversationId: string | null
  /** Who sees an event that belongs to no conversation. */
  recipients: readonly string[]
  /** Users whom this event brings into the conversation, and whom it takes out of it. */
  joined: readonly string[]
  left: readonly string[]
}

/** The columns that make an entry; `EVENT_COLUMNS` selects them from `events e` and `users u`, the sender. */
export interface EventRow {
  position: string
  type: Entry['type']
  conversation_id: string | null
  created_at: string
  data: string | null
  message_id: string | null
  sender_id: string
  sender_username: string
  sender_device_id: string
  session_key_id: string
  iv: string
  ciphertext: string
  signature: string
  recipients?: string[] | null
  joined?: string[] | null
  left_users?: string[] | null
}

const base64 = (column: string) => `replace(encode(e.${column}, 'base64'), E'\\n', '') as ${column}`

/** RFC 3339 in UTC with milliseconds. */
export const isoTime = (expression: string) =>
  `to_char(${expression} at time zone 'utc', 'YYYY-MM-DD"T"HH24:MI:SS.MS"Z"')`

export const EVENT_COLUMNS = `
  e.position, e.type, e.conversation_id, ${isoTime('e.created_at')} as created_at, e.data::text as data,
  e.message_id, e.sender_id, u.username as sender_username, e.sender_device_id, e.session_key_id,
  ${base64('iv')}, ${base64('ciphertext')}, ${base64('signature')}`

export function toMessage(row: EventRow): Message {
  return {
    id: row.message_id!,
    conversationId: row.conversation_id!,
    position: Number(row.position),
    sender: { userId: row.sender_id, username: row.sender_username, deviceId: row.sender_device_id },
    sessionKeyId: row.session_key_id,
    iv: row.iv,
    ciphertext: row.ciphertext,
    signature: row.signature,
    createdAt: row.created_at
  }
}

export function toEntry(row: EventRow): Entry {
  if (row.type === 'message') return messageEntry(toMessage(row))
  const position = Number(row.position)
  return {
    position,
    type: row.type,
    json: `{"position":${position},${row.data!.slice(1)}`,
    size: row.data!.length,
    conversationId: row.conversation_id,
    recipients: row.recipients ?? [],
    joined: row.joined ?? [],
    left: row.left_users ?? []
  }
}

export function messageEntry(message: Message): Entry {
  return new MessageEntry(message)
}

const nobody: readonly string[] = []
/** Of a message without its ciphertext. */
const ENVELOPE = 600

/** A message that is stored here may have all its readers elsewhere: its JSON is made when somebody asks for it. */
class MessageEntry implements Entry {
  readonly type = 'message'
  readonly recipients = nobody
  readonly joined = nobody
  readonly left = nobody
  readonly #message: Message
  #json: string | undefined

  constructor(message: Message) {
    this.#message = message
  }

  get position(): number {
    return this.#message.position
  }
  get conversationId(): string {
    return this.#message.conversationId
  }
  get json(): string {
    return (this.#json ??= JSON.stringify(this.#message))
  }
  get size(): number {
    return this.#message.ciphertext.length + ENVELOPE
  }
}
