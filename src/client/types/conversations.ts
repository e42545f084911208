import type { ChatError } from '../errors.js'

export interface Conversation {
  id: string
  /** `self` is the conversation of the user's own devices. */
  kind: 'direct' | 'group' | 'self'
  /**
   * For a group, the newest title that this device has read; for a direct conversation, the other user's
   * name.
   */
  title: string | null
  members: Member[]
  /** Hash of the newest statement of the verified chain; `-` if none is verified. */
  head: string
  /** Seconds after which messages are deleted; 0 keeps them. */
  messageTtl: number
  /** False once the user has left or was removed. */
  joined: boolean
  /** The stranger who has begun it or added the user, as long as the user has not accepted; else null. */
  request: { by: string; declined: boolean } | null
  /** Why it can't be used: the server's data about it is not valid. */
  trouble?: ChatError
}

export interface Member {
  username: string
  role: 'admin' | 'member'
  /**
   * The member has reset, and can't read until an admin, or the other user of a direct conversation, renews
   * them.
   */
  stale: boolean
  /** By the server's word, as far as this device has heard: the member has no account any more. */
  erased?: true
}
