import type { ChatError } from '../errors.js'
import type { ReceivedContent } from './content.js'

export type Recipient = string | { conversationId: string } | { username: string }

export interface Sent {
  id: string
  conversationId: string
  position: number
  sentAt: string
}

/** A message ready for `POST /v1/conversations/{conversationId}/messages`, whose body is `message`. */
export interface SealedMessage {
  conversationId: string
  message: { id: string; sessionKeyId: string; iv: string; ciphertext: string; signature: string }
}

export interface HistoryRange {
  /** Positions: messages before this one, newest first unless `after` is given. */
  before?: number
  /** Messages after this one, oldest first. */
  after?: number
  /** At most so many messages (all). */
  limit?: number
}

export interface Sender {
  username: string
  deviceId: string
}

/** A message of which every signature, the roster, the key and the counter have been checked. */
export interface IncomingMessage {
  type: 'message'
  id: string
  conversationId: string
  sessionKeyId: string
  from: Sender
  /** Whether the user of this client has sent it, on whatever device. */
  own: boolean
  /** Its place in the server's log: the server's word, as is `receivedAt`. */
  position: number
  receivedAt: string
  /** The sender's clock. */
  sentAt: string
  /** Counts from 1 for each sending device and session key. */
  n: number
  content: ReceivedContent
}

/**
 * A message that cannot be shown: `no-key` if no session key for it has come yet (it comes as a `message` when the
 * key does), `untrusted` if a check has failed, which `error` names. `from` is the server's word.
 */
export interface UnreadableMessage {
  type: 'unreadable'
  id: string
  conversationId: string
  sessionKeyId: string
  from: Sender
  position: number
  receivedAt: string
  reason: 'no-key' | 'untrusted'
  error: ChatError
}

/** The sender's counter jumps: messages `first` to `last` were sent and have not been shown to us. */
export interface WithheldMessages {
  type: 'withheld'
  conversationId: string
  sessionKeyId: string
  from: Sender
  first: number
  last: number
}

/** The next message comes later than the sender sent it: those after it came first. */
export interface ReorderedMessage {
  type: 'reordered'
  conversationId: string
  sessionKeyId: string
  from: Sender
  id: string
  n: number
}

/** What one reads in a conversation: messages, and what is wrong about them. Nothing is left out silently. */
export type Incoming = IncomingMessage | UnreadableMessage | WithheldMessages | ReorderedMessage
