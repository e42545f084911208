import * as Type from 'typebox'
import type { AdminRequest } from './admin.js'
import { assemble, type Parts } from './assemble.js'
import { publicPart, toChatError } from './calls.js'
import { conversationIdOf, requireConversationId, requireMessageId } from './check-ids.js'
import { checkOptions } from './check-options.js'
import type { Backup } from './features/backup.js'
import type { Contacts } from './features/contacts.js'
import type { Conversations } from './features/conversations.js'
import type { Restoration, Restored } from './features/restore.js'
import type { Requests } from './features/requests.js'
import type { Devices } from './features/devices.js'
import { readExport } from './features/export.js'
import { readPresence } from './features/presence.js'
import { readServerInfo } from './features/server-info.js'
import type { Invitations } from './features/invitations.js'
import { unlessUnsent } from './features/unsent.js'
import type { Reports } from './features/reports.js'
import type { Sessions } from './features/sessions.js'
import type { Users } from './features/users.js'
import { checkContent } from './messages/content.js'
import type { ChatClientOptions } from './options.js'
import type { Account, Login, LoginResult, Registration, ServerInfo } from './types/account.js'
import type { Content } from './types/content.js'
import type { DeviceInfo } from './types/devices.js'
import type { ChatEvent } from './types/events.js'
import type { ExportedRecord, PasswordChange } from './types/own-account.js'
import type { HistoryRange, Incoming, Recipient, SealedMessage, Sent } from './types/messages.js'

/** A client of one user on one device. Every error is a `ChatError`, unless a caller's signal aborts. */
export class ChatClient {
  readonly #parts: Parts
  readonly devices: Devices
  readonly sessions: Sessions
  readonly users: Users
  readonly contacts: Contacts
  readonly requests: Requests
  readonly conversations: Conversations
  readonly invitations: Invitations
  readonly backup: Backup
  readonly reports: Reports

  private constructor(parts: Parts) {
    this.#parts = parts
    this.devices = publicPart(parts.devices, 'chat.devices')
    this.sessions = publicPart(parts.sessions, 'chat.sessions')
    this.users = publicPart(parts.directory, 'chat.users')
    this.contacts = publicPart(parts.contacts, 'chat.contacts')
    this.requests = publicPart(parts.contactRequests, 'chat.requests')
    this.conversations = publicPart(parts.conversations, 'chat.conversations')
    this.invitations = publicPart(parts.invitations, 'chat.invitations')
    this.backup = publicPart(parts.backup, 'chat.backup')
    this.reports = publicPart(parts.reports, 'chat.reports')
  }

  /**
   * Open the client over its store. Needs no network.
   *
   * @throws {ChatError} `invalid-url`, `no-url`, `no-store`, `crypto-unavailable` (`usage`), `store`
   */
  static async open(options: ChatClientOptions): Promise<ChatClient> {
    try {
      return publicPart(new ChatClient(await assemble(checkOptions(options))), 'chat')
    } catch (error) {
      throw toChatError(error, 'ChatClient.open')
    }
  }

  /** The account that is logged in here, or was last; null before the first log-in. */
  get account(): Account | null {
    return this.#parts.auth.account
  }

  /**
   * Make an account, with this as its first device. With the link of an invitation, its maker is verified, and told.
   *
   * @throws `username-taken`, `weak-password`, `invitation-unavailable`, … (`refused`); `forged-invitation`
   *   (`untrusted`) if the server shows another identity of the inviter than the link: nothing is sent to them
   */
  async register(credentials: Registration): Promise<Account> {
    const account = await this.#parts.registration.register(credentials)
    await unlessUnsent(this.#parts.newcomers.resume())
    return account
  }

  /**
   * Ask whether the server would take this name and invitation, before somebody chooses a password. Nothing is held.
   *
   * @throws `username-taken`, `invitation-unavailable`, … (`refused`); `unreachable`
   */
  checkRegistration(given: Omit<Registration, 'password'>): Promise<void> {
    return this.#parts.registration.check(given)
  }

  /**
   * Begin a session. If the account does not know this device yet, make the device and ask for its approval:
   * it is `pending` until another device approves it (`waitForApproval`), or until `devices.reset`.
   *
   * @param credentials.asNewDevice the person gives up a device that was revoked or displaced, with its keys
   * @throws `invalid-credentials` (`refused`); `other-account` (`usage`) if the store belongs to another user;
   *   `displaced` or `revoked` (`untrusted`) if this device is not the user's any more: its keys stay
   */
  login(credentials: Login): Promise<LoginResult> {
    return this.#parts.auth.login(credentials)
  }

  /**
   * The number that this waiting device shows, to be compared with the one of another device of the user. It
   * changes when the user's chain moves.
   *
   * @throws `no-account` (`usage`) if no device waits here
   */
  linkNumber(): Promise<string> {
    return this.#parts.auth.linkNumber()
  }

  /**
   * The person says that the other device has taken this number.
   *
   * @throws `other-number` (`usage`) if this device would show another one by now
   */
  confirmLink(number: string): Promise<void> {
    return this.#parts.auth.confirmLink(number)
  }

  /**
   * Resolves when another device has approved this one, and the person has confirmed the number.
   *
   * @param options.onNumber called with the link number, and again whenever it changes
   * @throws `displaced` or `revoked` (`untrusted`) if a reset or a revocation came after the approval: log in as
   *   a new device; `device-not-found` (`refused`) if the device was turned down; the signal's reason when it aborts
   */
  waitForApproval({
    signal = this.#parts.http.closed,
    onNumber = () => undefined
  }: { signal?: AbortSignal; onNumber?: (number: string) => void } = {}): Promise<void> {
    return this.#parts.auth.waitForApproval(signal, onNumber)
  }

  /**
   * Log in on a new device with the recovery code or passphrase of the backup, under the same identity. It can
   * read all earlier messages.
   *
   * @param credentials.ask in place of the secrets: gives them when the password is right and there is a backup
   * @param credentials.newPassphrase of the new backup: the old code or passphrase opens nothing that comes later
   * @returns the account, the recovery code of the new backup, null if there is a new passphrase, and how many session
   *   keys were made for the backup, but do not open: messages under them can't be read
   * @throws `no-backup`, `wrong-secret`, `reused-passphrase` (`usage`); `old-backup`, `tampered-backup`,
   *   `forked-chain` (`untrusted`)
   */
  restore(credentials: Restoration): Promise<Restored> {
    return this.#parts.restore.run(credentials)
  }

  /**
   * End the session. `forget` also destroys the keys and all else in the store, even if the server can't be reached:
   * this device can't be used again.
   *
   * @returns whether the session has ended at the server. With `forget` nobody has its tokens any more
   * @throws `unreachable` and others without `forget`: then nothing has changed
   */
  logout(options: { forget?: boolean } = {}): Promise<{ isEnded: boolean }> {
    return this.#parts.auth.logout(options)
  }

  /**
   * Change the password. All other sessions end; other devices begin new ones with their keys, unless
   * `revokeOthers` revokes them. The key backup has a secret of its own, and stays as it is.
   *
   * @returns the devices that were revoked
   * @throws `wrong-password`, `weak-password` (`refused`)
   */
  changePassword(change: PasswordChange): Promise<{ revoked: DeviceInfo[] }> {
    return this.#parts.ownAccount.changePassword(change)
  }

  /**
   * Delete the account for ever, and the keys on this device: leave all groups, revoke all devices, and have the
   * server erase the rest. If it was interrupted, call it again.
   *
   * @returns ids of groups that could not be left: the user stays in them as an erased member
   * @throws `wrong-password`, `last-server-admin` (`refused`), before anything is done
   */
  deleteAccount(credentials: { password: string }): Promise<{ stayedIn: string[] }> {
    return this.#parts.ownAccount.delete(credentials)
  }

  /** All that the server holds on the user, ciphertext included. @throws `broken-stream` if it is not complete */
  export(): AsyncIterable<ExportedRecord> {
    return readExport(this.#parts.api, this.#parts.http.timeout)
  }

  /**
   * Encrypt, sign and send a message. It stays in the store until the server has it: if this throws
   * `unreachable`, or the process dies, the next `send`, `flush` or `events` sends it, once and in order.
   *
   * @param to a conversation's id, or a user, with whom a direct conversation is created if there is none
   * @param options.id the message's id, a UUID; a second call with the same id sends nothing
   * @throws `identity-changed` if a member has a new identity that was not accepted; `refused`; `unreachable`
   */
  async send(to: Recipient, content: string | Content, { id }: { id?: string } = {}): Promise<Sent> {
    const checked = checkContent(content)
    requireMessageId(id)
    const conversationId = await conversationIdOf(to, this.conversations)
    await this.#parts.contactRequests.acceptToSend(conversationId)
    return this.#parts.outbox.send(conversationId, checked, id)
  }

  /** Whether a message is in the store, to be sent by the next `send`, `flush` or `events`. */
  isQueued(id: string): Promise<boolean> {
    return this.#parts.queue.isQueued(id)
  }

  /**
   * Go on with whatever was interrupted: queued messages, keys for a new device. @returns ids of sent
   * messages
   */
  flush(): Promise<string[]> {
    return this.#parts.resume()
  }

  /**
   * Encrypt and sign a message without sending it, to post it by other means. Its counter is used up: if it
   * is never posted, its receivers see a `withheld` message; if it is posted after a later one, a `reordered`
   * one.
   *
   * @throws as `send` does
   */
  async seal(to: Recipient, content: string | Content, { id }: { id?: string } = {}): Promise<SealedMessage> {
    const checked = checkContent(content)
    requireMessageId(id)
    const conversationId = await conversationIdOf(to, this.conversations)
    return { conversationId, message: await this.#parts.outbox.seal(conversationId, checked, id) }
  }

  /**
   * Verify and decrypt one message as the server serves it, in a page of the history or as the data of an
   * event.
   *
   * @returns the message, after any error about its place
   * @throws `not-a-message` (`usage`) for anything else
   */
  open(message: unknown): Promise<Incoming[]> {
    return this.#parts.decryptor.openAndCommit(message)
  }

  /**
   * Read a conversation's messages, each verified: newest first unless `after` is given. Errors about a
   * message are values in its place (`Incoming`).
   */
  history(conversationId: string, range: HistoryRange = {}): AsyncIterable<Incoming> {
    return this.#parts.shownHistory.read(requireConversationId(conversationId), range)
  }

  /**
   * All events, from where the last call ended, without end: it reconnects by itself. An event counts as
   * handled when the next one is asked for. If the process dies before that, the event comes again.
   *
   * @throws `logged-out` when the session has ended; `store-lost` (`store`) when the browser has deleted the store
   */
  events({ signal = this.#parts.http.closed }: { signal?: AbortSignal } = {}): AsyncIterable<ChatEvent> {
    return this.#parts.events.follow(signal)
  }

  /**
   * Events that were noticed since the last call, for programs that follow no stream: new identities, alarms,
   * messages that are never sent. `events` shows it all the same, in this process or in a later one.
   */
  noticed(): ChatEvent[] {
    return this.#parts.alarms.noticed()
  }

  /** Whether these users are online. Users who share no conversation with this one are left out. */
  presence(usernames: readonly string[]): Promise<{ username: string; online: boolean }[]> {
    return readPresence(this.#parts.api, usernames)
  }

  /** The server's name, version and limits. Needs no session. */
  server(): Promise<ServerInfo> {
    return readServerInfo(this.#parts.http)
  }

  /**
   * Set a new password with the token of an admin of the server. All sessions end. It opens no earlier message.
   *
   * @throws `reset-unavailable`, `weak-password` (`refused`)
   */
  async resetPassword(reset: { username: string; token: string; newPassword: string }): Promise<void> {
    await this.#parts.http.call({ method: 'POST', path: '/v1/auth/password-reset', body: reset, once: true })
  }

  /**
   * Any call of the API with JSON, for those that have no method here: `AdminClient` makes its calls so.
   *
   * @returns the body of the answer, which is not checked; null if it has none
   */
  async call({ answers, ...request }: AdminRequest): Promise<unknown> {
    return (
      await this.#parts.api.call({ ...request, once: true, ...(answers && { response: Type.Unknown() }) })
    ).body
  }

  /** Close the connection and the store. Messages that were not sent stay in the store. */
  async close(): Promise<void> {
    this.#parts.http.close()
    await this.#parts.store.close()
  }
}
