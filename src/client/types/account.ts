import type { ChatEvent, Incoming } from './events.js'
import type { Content } from '../messages/content.js'
import type { Backup, Contacts, Conversations, Devices, Sessions, Users } from './conversations.js'
import type { Store } from '../stores/store.js'

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

export interface ServerInfo {
  name: string
  version: string
  protocol: string
  limits: { ciphertextBytes: number; members: number; devices: number; rsaKeyBits: number }
  time: string
}
