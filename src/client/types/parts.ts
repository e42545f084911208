import type { Account, BackupStatus, Credentials, LoginResult, ServerInfo, SessionInfo } from './account.js'
import type { Contact, UserInfo } from './contacts.js'
import type { Content } from './content.js'
import type { Conversation } from './conversations.js'
import type { DeviceInfo } from './devices.js'
import type { ChatEvent } from './events.js'
import type { HistoryRange, Incoming, Recipient, SealedMessage, Sent } from './messages.js'

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

  /** Go on with what has not reached the server yet: messages, and keys for a new device. @returns ids sent */
  flush(): Promise<string[]>

  /**
   * Encrypt and sign without sending: for whoever posts by other means. The message's counter is used up: one that is
   * never posted is reported to its receivers as withheld, one that is posted after a later one as out of order.
   *
   * @throws as `send` does
   */
  seal(to: Recipient, content: string | Content, options?: { id?: string }): Promise<SealedMessage>

  /**
   * Verify and open one message as the server serves it, in a page of the history or as the data of an event.
   *
   * @returns the message, after what is wrong about its place
   * @throws `not-a-message` (`usage`) for anything else
   */
  open(message: unknown): Promise<Incoming[]>

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

/** Where the user is logged in. */
export interface Sessions {
  list(): Promise<SessionInfo[]>
  end(id: string): Promise<void>
}

export interface Users {
  /** Usernames that begin with a prefix of at least 3 characters. */
  find(prefix: string, limit?: number): Promise<string[]>
  /** A user, verified anew from the server. @throws `user-not-found` (`refused`) */
  get(username: string): Promise<UserInfo>
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

/** A recovery device whose keys lie on the server, sealed under a code that only the user has. */
export interface Backup {
  /** @returns the code to be written down; null where a passphrase was given */
  create(options?: { passphrase?: string }): Promise<{ recoveryCode: string | null }>
  status(): Promise<BackupStatus>
  /** Log in on a new device with all that could be read before, under the same identity. */
  restore(who: Credentials & ({ code: string } | { passphrase: string })): Promise<Account>
  remove(): Promise<void>
}
