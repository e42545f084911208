import type { ChatError } from '../errors.js'
import type { ReceivedContent } from './content.js'

export type Recipient = string | { conversationId: string } | { username: string }

export interface Sent {
  id: string
  /** With `id` it names the message in a `ref`. */
  digest: string
  conversationId: string
  position: number
  sentAt: string
}

/** A message ready for `POST /v1/conversations/{conversationId}/messages`, whose body is `message`. */
export interface SealedMessage {
  conversationId: string
  message: {
    id: string
    sessionKeyId: string
    key: string
    iv: string
    ciphertext: string
    signature: string
  }
}

export interface HistoryRange {
  /** Positions: messages before this one, newest first unless `after` is given. */
  before?: number
  /** Messages after this one, oldest first. */
  after?: number
  /** At most this many messages (all). */
  limit?: number
}

export interface Sender {
  username: string
  deviceId: string
  /** Fingerprint of the device's signing key. Empty for an `unreadable` message. */
  signingKey: string
}

/** A message that has passed all checks: of signatures, roster, session key and counter. */
export interface IncomingMessage {
  type: 'message'
  id: string
  conversationId: string
  /** Hash of the `conversation-key` statement of its session key. */
  key: string
  /** With `id` it names the message in a `ref`. */
  digest: string
  from: Sender
  /** Whether this client's user has sent it, on any device. */
  own: boolean
  /** Position in the server's log. Like `receivedAt` it comes from the server, unsigned. */
  position: number
  receivedAt: string
  /** By the sender's clock. */
  sentAt: string
  /** The sender's counter: from 1 for each device and session key. It orders the sender's messages. */
  n: number
  /** The server shows it after a message that its sender sent later. */
  late: boolean
  /** Its sender's device, or the sender, had gone already when this device read it for the first time. */
  departed: boolean
  content: ReceivedContent
}

/**
 * A message that cannot be shown. `no-key`: its session key has not come yet, or the server hides the conversation now;
 * if the key comes, the message comes again as a `message`. `untrusted`: a check failed, which `error`
 * names; with `bad-wrap` or `wrong-commitment` it is the key that fails. `from` comes from the server, unsigned.
 */
export interface UnreadableMessage {
  type: 'unreadable'
  id: string
  conversationId: string
  key: string
  from: Sender
  position: number
  receivedAt: string
  reason: 'no-key' | 'untrusted'
  error: ChatError
}

/**
 * The sender's counter jumps: the messages `first` to `last` were sent, and the server has not shown `count` of
 * them, the first and the last included.
 */
export interface WithheldMessages {
  type: 'withheld'
  conversationId: string
  key: string
  from: Sender
  first: number
  last: number
  count: number
}

/** The next message comes out of order: messages that were sent after it came first. */
export interface ReorderedMessage {
  type: 'reordered'
  conversationId: string
  key: string
  from: Sender
  id: string
  n: number
}

/**
 * An admin of the server has deleted a message, or the server withholds it and says so: nothing here is signed. In a
 * history it stands in the place of the message. A message that was shown before is to be hidden.
 */
export interface DeletedMessage {
  type: 'message-deleted'
  id: string
  conversationId: string
  key: string
  /** `signingKey` is empty. */
  from: Sender
  /** The place of the message. */
  position: number
  deletedAt: string
}

/** An item of a conversation: a message, or an error about one. Nothing is left out silently. */
export type Incoming =
  IncomingMessage | UnreadableMessage | DeletedMessage | WithheldMessages | ReorderedMessage
