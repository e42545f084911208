import type { ChatEvent, Incoming } from './chat-events.js'
import type { Content } from './content.js'
import type { Store } from './store.js'

/** A client of one user on one device. Calls throw `ChatError`, and nothing else. */
export interface Chat {
  /** Who is logged in here, or was last; null before the first time. */
  readonly account: Account | null
  readonly devices: Devices
  readonly sessions: Sessions
  readonly users: Users
  readonly contacts: Contacts
  readonly conversations: Conversations
  readonly backup: Backup

  /** Make an account, with this as its first device. @throws `username-taken`, `weak-password`, … (`refused`) */
  register(who: Credentials): Promise<Account>

  /**
   * Begin a session. On a device that the account does not know yet this makes the device and asks for its
   * approval: it is `pending` until another device has approved it (`waitForApproval`), or until `devices.reset`.
   *
   * @throws `invalid-credentials` (`refused`); `other-account` (`usage`) if the store is another user's
   */
  login(who: Credentials): Promise<LoginResult>

  /** Resolves when another device has approved this one. @throws the signal's reason when it aborts */
  waitForApproval(options?: { signal?: AbortSignal }): Promise<void>

  /** End the session. `forget` also destroys the keys: this device is never to be used again. */
  logout(options?: { forget?: boolean }): Promise<void>

  /**
   * Encrypt, sign, and send. It is kept in the store until the server has it: if this throws `unreachable`, or the
   * process dies, the next `send`, `flush` or `events` sends it, once, in order.
   *
   * @param to a conversation's id, or a user with whom a direct conversation is begun where there is none
   * @param options.id the message's id, a UUID; the same one given again sends nothing again
   * @throws `identity-changed` if a member has a new identity that was not accepted; `refused`; `unreachable`
   */
  send(to: Recipient, content: string | Content, options?: { id?: string }): Promise<Sent>

  /** Send what has not reached the server yet. @returns the ids of what was sent */
  flush(): Promise<string[]>

  /**
   * Read a conversation's messages, verified one by one: newest first unless `after` is given. What is wrong comes
   * as a value in its place (`Incoming`).
   */
  history(conversationId: string, range?: HistoryRange): AsyncIterable<Incoming>

  /**
   * Everything that happens, from where the last call was left, for ever: it reconnects by itself. An event counts
   * as handled when the next one is asked for; one that was being handled when the process died comes again.
   *
   * @throws `logged-out` when the session has ended
   */
  events(options?: { signal?: AbortSignal }): AsyncIterable<ChatEvent>

  /** Whether these users are online; those who share no conversation with this one are left out. */
  presence(usernames: readonly string[]): Promise<{ username: string; online: boolean }[]>

  /** The server's name, version and limits. Needs no session. */
  server(): Promise<ServerInfo>

  /** Let go of everything. What was not sent stays in the store. */
  close(): Promise<void>
}

export interface ChatClientOptions {
  /** Where the server is, such as `https://chat.example.org`. */
  url: string
  store: Store
  fetch?: typeof globalThis.fetch
  /** Milliseconds since 1970. */
  now?: () => number
  /** From 0 to below 1, for jitter alone: keys come from WebCrypto. */
  random?: () => number
  userAgent?: string
  /** Milliseconds that a request may take (30,000). */
  timeout?: number
  /** Bits of new RSA keys: 2048, 3072 (the default) or 4096. */
  rsaKeyBits?: 2048 | 3072 | 4096
}

export interface Credentials {
  username: string
  password: string
  /** For the owner's eyes; 1–64 characters. */
  deviceName?: string
}

export interface Account {
  username: string
  userId: string
  deviceId: string
  /** Fingerprint of this device's signing key. */
  fingerprint: string
  status: 'active' | 'pending'
  loggedIn: boolean
}

export type LoginResult =
  | { status: 'active'; deviceId: string }
  /** `fingerprint` is to be compared with what the approving device shows. */
  | { status: 'pending'; deviceId: string; fingerprint: string }

export type Recipient = string | { conversationId: string } | { username: string }

export interface Sent {
  id: string
  conversationId: string
  position: number
  sentAt: string
}

export interface HistoryRange {
  /** Positions: messages before this one, newest first. */
  before?: number
  /** Messages after this one, oldest first. */
  after?: number
  /** At most so many messages (all). */
  limit?: number
}

export interface Conversation {
  id: string
  kind: 'direct' | 'group'
  /** What a group was named last; of a direct conversation the other user's name. */
  title: string | null
  members: Member[]
  /** False once the user has left or was removed. */
  joined: boolean
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
  updatedAt?: string
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

export interface ServerInfo {
  name: string
  version: string
  protocol: string
  limits: { ciphertextBytes: number; members: number; devices: number; rsaKeyBits: number }
  time: string
}
