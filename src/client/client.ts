import Type from 'typebox'
import { SessionPage } from '../protocol/accounts.js'
import { PresenceResponse } from '../protocol/events.js'
import { PROTOCOL } from '../protocol/statements.js'
import type { ChatClientOptions } from './options.js'
import type { Account, Credentials, LoginResult, ServerInfo, SessionInfo } from './types/account.js'
import type { Content } from './types/content.js'
import type { ChatEvent } from './types/events.js'
import type { HistoryRange, Recipient, SealedMessage, Sent, Incoming } from './types/messages.js'
import type { Chat, Backup, Contacts, Conversations, Devices, Sessions, Users } from './types/parts.js'
import { ContactBook, UserDirectory } from './features/contacts.js'
import { checkContent } from './messages/content.js'
import { ConversationList } from './features/conversations.js'
import type { Core } from './core.js'
import { DeviceCare } from './features/devices.js'
import { Auth } from './features/auth.js'
import { ChatError } from './errors.js'
import { EventStream } from './events/stream.js'
import { readHistory } from './messages/history.js'
import { openCore } from './assemble.js'
import { openMessage } from './messages/open-message.js'
import { Recovery } from './features/backup.js'

const uuid = /^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/
const limits = ['ciphertextBytes', 'members', 'devices', 'rsaKeyBits'] as const
const Server = Type.Object({
  name: Type.String(),
  version: Type.String(),
  protocol: Type.String(),
  limits: Type.Object(Object.fromEntries(limits.map((name) => [name, Type.Integer()]))),
  time: Type.String()
})

/** The client of one user on one device: see `Chat` for what it does. */
export class ChatClient implements Chat {
  readonly #core: Core
  readonly #entrance: Auth
  readonly #events: EventStream
  readonly #housekeeping: () => Promise<string[]>
  readonly devices: Devices
  readonly sessions: Sessions
  readonly users: Users
  readonly contacts: Contacts
  readonly conversations: Conversations
  readonly #conversations: ConversationList
  readonly backup: Backup

  private constructor(core: Core, options: ChatClientOptions) {
    const account = () => this.account!
    const devices = new DeviceCare(core, account)
    this.#core = core
    this.#entrance = new Auth(core)
    this.#housekeeping = async () => {
      const sent = await core.outbox.flush()
      await core.sharing.resume()
      await devices.finishRekey()
      return sent
    }
    this.#events = new EventStream(core, this.#housekeeping)
    this.devices = devices
    this.sessions = sessions(core)
    this.users = new UserDirectory(core)
    this.contacts = new ContactBook(core)
    this.#conversations = new ConversationList(core)
    this.conversations = this.#conversations
    this.backup = new Recovery(core, options, devices, account)
  }

  /** Open the client over its store: needs no network. @throws {ChatError} `invalid-url` (`usage`), `store` */
  static async open(options: ChatClientOptions): Promise<ChatClient> {
    return new ChatClient(await openCore(options), options)
  }

  get account(): Account | null {
    const { account, device } = this.#core.identity
    if (account === null || device === null) return null
    const { username, userId, deviceId, status } = account
    const loggedIn = this.#core.tokens.loggedIn
    return { username, userId, deviceId, fingerprint: device.signing.fingerprint, status, loggedIn }
  }

  async register(who: Credentials): Promise<Account> {
    await this.#entrance.register(who)
    return this.account!
  }

  login(who: Credentials): Promise<LoginResult> {
    return this.#entrance.login(who)
  }

  waitForApproval({ signal = this.#core.http.closed }: { signal?: AbortSignal } = {}): Promise<void> {
    return this.#entrance.waitForApproval(signal)
  }

  async logout({ forget = false }: { forget?: boolean } = {}): Promise<void> {
    if (this.#core.tokens.loggedIn) {
      const request = { method: 'POST', path: '/v1/auth/logout' } as const
      await this.#core.tokens.call(request).catch((error: unknown) => {
        if (!(error instanceof ChatError) || error.kind !== 'logged-out') throw error
      })
      await this.#core.tokens.end()
    }
    if (forget) await this.#core.identity.forget()
  }

  async send(to: Recipient, content: string | Content, { id }: { id?: string } = {}): Promise<Sent> {
    const checked = checkContent(content)
    requireMessageId(id)
    return this.#core.outbox.send(await this.#conversationOf(to), checked, id)
  }

  flush(): Promise<string[]> {
    return this.#housekeeping()
  }

  async seal(to: Recipient, content: string | Content, { id }: { id?: string } = {}): Promise<SealedMessage> {
    const checked = checkContent(content)
    requireMessageId(id)
    const conversationId = await this.#conversationOf(to)
    return { conversationId, message: await this.#core.outbox.seal(conversationId, checked, id) }
  }

  open(message: unknown): Promise<Incoming[]> {
    return openMessage(this.#core, message)
  }

  history(conversationId: string, range: HistoryRange = {}): AsyncIterable<Incoming> {
    return readHistory(this.#core, requireId(conversationId), range)
  }

  events({ signal = this.#core.http.closed }: { signal?: AbortSignal } = {}): AsyncIterable<ChatEvent> {
    return this.#events.follow(signal)
  }

  async presence(usernames: readonly string[]): Promise<{ username: string; online: boolean }[]> {
    const found: { username: string; online: boolean }[] = []
    for (let at = 0; at < usernames.length; at += 100) {
      const query = usernames.slice(at, at + 100).map((name) => `user=${encodeURIComponent(name)}`)
      const request = {
        method: 'GET',
        path: `/v1/presence?${query.join('&')}`,
        response: PresenceResponse
      } as const
      const { items } = (await this.#core.tokens.call(request)).body
      found.push(...items.map(({ username, online }) => ({ username, online })))
    }
    return found
  }

  async server(): Promise<ServerInfo> {
    const { body } = await this.#core.http.call({ method: 'GET', path: '/v1/server', response: Server })
    if (body.protocol !== PROTOCOL)
      throw new ChatError(
        'usage',
        'other-protocol',
        `The server speaks ${body.protocol}, this client ${PROTOCOL}.`
      )
    return body as ServerInfo
  }

  async close(): Promise<void> {
    this.#core.http.close()
    await this.#core.store.close()
  }

  async #conversationOf(to: Recipient): Promise<string> {
    if (typeof to === 'string') return requireId(to)
    if ('conversationId' in to) return requireId(to.conversationId)
    return (await this.#conversations.directRoom(to.username.toLowerCase())).id
  }
}

function requireMessageId(id: string | undefined): void {
  if (id !== undefined && !uuid.test(id))
    throw new ChatError('usage', 'invalid-id', 'A message’s id is a UUID.')
}

function requireId(id: string): string {
  if (uuid.test(id)) return id
  throw new ChatError('usage', 'invalid-id', 'A conversation’s id is a UUID.')
}

function sessions(core: Core): Sessions {
  return {
    async list(): Promise<SessionInfo[]> {
      const request = { method: 'GET', path: '/v1/auth/sessions', response: SessionPage } as const
      return (await core.tokens.call(request)).body.items
    },
    async end(id: string): Promise<void> {
      await core.tokens.call({ method: 'DELETE', path: `/v1/auth/sessions/${encodeURIComponent(id)}` })
    }
  }
}
