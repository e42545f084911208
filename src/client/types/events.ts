import type { ReceivedContent } from '../messages/content.js'
import type { ChatError } from '../errors.js'
import type { Conversation } from './conversations.js'

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

/** What `events()` gives, discriminated by `type`. */
export type ChatEvent =
  | Incoming
  /** A conversation has come into being, or the user has been taken into it. */
  | { type: 'conversation'; conversation: Conversation }
  | MembersChanged
  | MessageNotSent
  /** A new device of the user asks for approval: compare the fingerprints, then `devices.approve`. */
  | { type: 'device-requested'; deviceId: string; name: string; fingerprint: string }
  /** A user's devices have changed; the identity is the same. */
  | { type: 'device-changed'; username: string; change: 'added' | 'rekeyed' | 'revoked'; deviceId: string }
  /** A user has begun anew, or somebody else under that name: nothing is sent until it has been accepted. */
  | { type: 'identity-changed'; username: string; wasVerified: boolean }
  /** The server showed something that the protocol refuses. It was not used. */
  | { type: 'untrusted'; error: ChatError; conversationId?: string }
  | { type: 'presence'; username: string; online: boolean; at: string }
  | { type: 'connected' }
  /** The stream broke; the next attempt comes in `retryIn` milliseconds. */
  | { type: 'disconnected'; retryIn: number; error?: ChatError }
  /** Events were lost, or the server's log was restored: what was seen before may come again. */
  | { type: 'reset' }

/** The server has refused a message that an earlier process left in the outbox. */
export interface MessageNotSent {
  type: 'not-sent'
  id: string
  conversationId: string
  error: ChatError
}

export interface MembersChanged {
  type: 'members'
  conversationId: string
  change: 'added' | 'removed' | 'left' | 'role' | 'renewed'
  /** Who has come, gone or changed. */
  username: string
  by: string
  role?: 'admin' | 'member'
  position: number
}
