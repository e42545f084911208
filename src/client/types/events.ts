import type { ChatError } from '../errors.js'
import type { Conversation } from './conversations.js'
import type { Incoming } from './messages.js'

/** An event of `events()`, discriminated by `type`. */
export type ChatEvent =
  | Incoming
  /** A conversation was created, or the user was added to it. */
  | { type: 'conversation'; conversation: Conversation }
  /** A stranger has begun a conversation or added the user: see `requests`. Nothing else of it is shown before. */
  | { type: 'request'; conversationId: string; by: string }
  /** The user has accepted a request with another device: its messages until now are in the history. */
  | { type: 'request-accepted'; conversationId: string }
  /** The user has blocked or unblocked somebody with another device. */
  | { type: 'block-changed'; username: string; blocked: boolean }
  | MembersChanged
  | TimerChanged
  | MessageNotSent
  | InvitationAccepted
  /** A new device of the user asks for approval: compare `devices.linkNumber`, then `devices.approve`. */
  | { type: 'device-requested'; deviceId: string; name: string }
  /** A user's devices have changed; the identity is the same. */
  | { type: 'device-changed'; username: string; change: 'added' | 'rekeyed' | 'revoked'; deviceId: string }
  /**
   * A user, or somebody else under that name, has a new identity: nothing is sent until `contacts.accept` with
   * this `root`.
   */
  | { type: 'identity-changed'; username: string; root: string; wasVerified: boolean }
  /** A user whom this one shares a conversation with has no account any more, by the server's word. */
  | { type: 'user-deleted'; username: string }
  /** The server's data broke the protocol and was not used, or this device is not the user's any more. */
  | { type: 'untrusted'; error: ChatError; username?: string; conversationId?: string }
  | { type: 'presence'; username: string; online: boolean; at: string }
  | { type: 'connected' }
  /** The connection broke; the next attempt comes in `retryIn` milliseconds. */
  | { type: 'disconnected'; retryIn: number; error?: ChatError }
  /** Events were lost, or the server's log was restored: earlier events may come again. */
  | { type: 'reset' }

/** The server has refused a message that an earlier process queued. */
export interface MessageNotSent {
  type: 'not-sent'
  id: string
  conversationId: string
  error: ChatError
}

/** Somebody came by a link that this device has made. */
export interface InvitationAccepted {
  type: 'invitation-accepted'
  username: string
  /** Whether the link was for one person: then the user is verified now. */
  verified: boolean
  /** Ids of the groups to which this device adds them. */
  groups: string[]
}

export interface MembersChanged {
  type: 'members'
  conversationId: string
  change: 'added' | 'removed' | 'left' | 'role' | 'renewed'
  /** The member whose membership changed. */
  username: string
  by: string
  role?: 'admin' | 'member'
  position: number
}

/** Messages of the conversation are deleted after this number of seconds; 0 keeps them. */
export interface TimerChanged {
  type: 'timer'
  conversationId: string
  messageTtl: number
  by: string
  position: number
}
