import type { Account, Credentials, Sent } from './account.js'
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

export interface Conversations {
  /** All that the user is in, verified. */
  list(): Promise<Conversation[]>
  /** By id. @throws `conversation-not-found` (`refused`) */
  get(id: string): Promise<Conversation>
  /** The direct conversation with a user, begun if there is none. */
  direct(username: string): Promise<Conversation>
  /** A new group, whose only admin is its creator. `title` is sent as its first message. */
  createGroup(title: string, usernames: readonly string[]): Promise<Conversation>
  add(id: string, username: string, role?: 'admin' | 'member'): Promise<Conversation>
  remove(id: string, username: string): Promise<Conversation>
  setRole(id: string, username: string, role: 'admin' | 'member'): Promise<Conversation>
  /** Replace the line of a member who has reset, and whose new identity was accepted. */
  renew(id: string, username: string): Promise<Conversation>
  leave(id: string): Promise<void>
  rename(id: string, title: string): Promise<Sent>
  /**
   * What a group is called now, where its messages are not followed: reads what was said since the last look. Null if
   * no title was said in what this device can read.
   */
  readTitle(id: string): Promise<string | null>
}

export interface DeviceInfo {
  id: string
  name: string
  status: 'active' | 'pending' | 'revoked'
  /** Of the signing key: what two people, or one person with two devices, compare. */
  fingerprint: string
  createdAt: string
  /** Whether it is the device of this client. */
  current: boolean
}

export interface Devices {
  list(): Promise<DeviceInfo[]>
  /** Those that wait for approval. */
  requests(): Promise<DeviceInfo[]>
  /**
   * Approve a pending device, and pass on every session key held here.
   *
   * @param options.fingerprint what the new device shows; it must be the one that the server shows
   * @throws `swapped-key` (`untrusted`) if it is not
   */
  approve(deviceId: string, options: { fingerprint: string }): Promise<void>
  /** Turn down a pending device. */
  reject(deviceId: string): Promise<void>
  /** Revoke a device: its sessions end, and nothing more is encrypted for it. Of this device: it is the end. */
  revoke(deviceId: string): Promise<void>
  /**
   * Replace this device's encryption key and destroy the old one. `forgetPast` destroys the session keys too: what
   * was said until now can't be read on this device any more, by anybody.
   */
  rekey(options?: { forgetPast?: boolean }): Promise<void>
  /** When all other devices are lost: begin anew. All contacts see a new identity. */
  reset(who: Credentials): Promise<Account>
}

export interface SessionInfo {
  id: string
  deviceId: string | null
  address: string
  userAgent: string
  createdAt: string
  lastUsedAt: string
  expiresAt: string
  current: boolean
}

/** Where the user is logged in. */
export interface Sessions {
  list(): Promise<SessionInfo[]>
  end(id: string): Promise<void>
}

export interface UserInfo {
  username: string
  userId: string
  /** Fingerprint of the signing key on which the user's identity stands. */
  root: string
  /** Active devices, as the user's verified chain names them. */
  devices: { id: string; fingerprint: string }[]
}

export interface Users {
  /** Usernames that begin with a prefix of at least 3 characters. */
  find(prefix: string, limit?: number): Promise<string[]>
  /** A user, verified anew from the server. @throws `user-not-found` (`refused`) */
  get(username: string): Promise<UserInfo>
}

export interface Contact {
  username: string
  /**
   * `unverified`: taken on trust at first sight; `verified`: safety numbers were compared; `changed`: has a new
   * identity, to which nothing is sent until `accept`.
   */
  status: 'unverified' | 'verified' | 'changed'
  /** Whether the identity that has been replaced was a verified one. */
  wasVerified?: boolean
}

/** Users whose identity this device has met, and how far it is trusted. */
export interface Contacts {
  list(): Promise<Contact[]>
  get(username: string): Promise<Contact>
  /** 12 groups of 5 digits; both users see the same. */
  safetyNumber(username: string): Promise<string>
  /** The safety numbers were compared and are equal. `number`, if given, is checked. */
  verify(username: string, number?: string): Promise<void>
  /** Go on with a user's new identity, unverified. */
  accept(username: string): Promise<void>
}

export interface BackupStatus {
  exists: boolean
}

/** A recovery device whose keys lie on the server, sealed under a code that only the user has. */
export interface Backup {
  /** @returns the code to be written down; null where a passphrase was given */
  create(options?: { passphrase?: string }): Promise<{ recoveryCode: string | null }>
  status(): Promise<BackupStatus>
  /** Log in on a new device with all that could be read before, under the same identity. */
  restore(who: Credentials & ({ code: string } | { passphrase: string })): Promise<Account>
  remove(): Promise<void>
}
