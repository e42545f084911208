import type { ChatError } from '../errors.js'

export interface Conversation {
  id: string
  kind: 'direct' | 'group'
  /** What a group was named last, as far as this device has read; of a direct conversation the other user's name. */
  title: string | null
  members: Member[]
  /** False once the user has left or was removed. */
  joined: boolean
  /** Why it can't be used: what the server shows of it does not stand. */
  trouble?: ChatError
}

export interface Member {
  username: string
  role: 'admin' | 'member'
  /** The member has reset, and reads nothing until an admin (the other side) has renewed the membership. */
  stale: boolean
}
