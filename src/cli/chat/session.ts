import { randomUUID } from 'node:crypto'
import {
  ChatError,
  type ChatClient,
  type ChatEvent,
  type Conversation,
  type Incoming,
  type IncomingMessage
} from '../../client/index.js'
import { hintFor, isUnreachable, UsageError } from '../errors.js'
import { formatTime } from '../terminal/format.js'
import { eventText } from '../output/event-text.js'
import { Presence } from './presence.js'
import { nameStyle, type Style } from '../terminal/style.js'
import { contentText } from '../output/messages.js'
import { sanitize } from '../terminal/sanitize.js'
import type { Screen } from '../terminal/screen.js'

/** Messages that are shown when a conversation is opened. */
const RECENT_MESSAGES = 20

/** A screen with one open conversation. It counts what arrives in the others. */
export class ChatSession {
  readonly chat: ChatClient
  readonly presence: Presence
  readonly #screen: Screen
  readonly #style: Style
  readonly #url: string
  readonly #titles = new Map<string, string>()
  readonly #unread = new Map<string, number>()
  /** Ids of messages sent from here. They are on the screen as they were typed. */
  readonly #sentHere = new Set<string>()
  /** Ids of messages on the screen that could not be read yet. */
  readonly #unreadable = new Set<string>()
  #conversation: Conversation | undefined
  /** The newest position on the screen. */
  #newestShown = 0
  #opening: Promise<void> = Promise.resolve()
  #isConnected = true

  constructor(chat: ChatClient, screen: Screen, { style, url }: { style: Style; url: string }) {
    this.chat = chat
    this.presence = new Presence(chat)
    this.#screen = screen
    this.#style = style
    this.#url = url
  }

  /** The open conversation. */
  get conversation(): Conversation {
    return this.#conversation!
  }

  unreadIn(conversationId: string): number {
    return this.#unread.get(conversationId) ?? 0
  }

  /** Remember the titles of conversations. */
  setTitles(conversations: readonly Conversation[]): void {
    for (const { id, title } of conversations) this.#titles.set(id, title ?? 'a group without a name')
  }

  /** Show the newest messages of a conversation, and from now on its new ones. */
  open(conversation: Conversation): Promise<void> {
    const opened = this.#opening.then(async () => {
      this.setTitles([conversation])
      this.#conversation = conversation
      this.#newestShown = 0
      this.#unread.delete(conversation.id)
      await this.presence.fetch(this.#otherMembers())
      // The messages may hold the group's title.
      const messages = await this.#readNewest(RECENT_MESSAGES)
      this.#showHeading(this.#titleOf(conversation.id))
      this.#showAll(messages)
      this.#updatePrompt()
    })
    this.#opening = opened.catch(() => undefined)
    return opened
  }

  /** Show the newest messages of the open conversation, oldest first. */
  async showHistory(limit: number): Promise<void> {
    this.#showAll(await this.#readNewest(limit))
  }

  /** Send a message. The screen shows what goes wrong. @throws errors that end the chat */
  async send(text: string): Promise<void> {
    const id = randomUUID()
    this.#sentHere.add(id)
    try {
      await this.chat.send({ conversationId: this.conversation.id }, text, { id })
    } catch (error) {
      if (isUnreachable(error))
        this.showWarning(
          'The server can’t be reached. Your message is kept, and is sent when the server is back.'
        )
      else this.showError(error)
    }
  }

  /** Show an error. @throws it if it ends the chat */
  showError(error: unknown): void {
    const isKnown = error instanceof ChatError || error instanceof UsageError
    if (!isKnown || (error instanceof ChatError && ['logged-out', 'store'].includes(error.kind))) throw error
    const hint = hintFor(error, this.#url)
    this.showWarning(sanitize(hint === undefined ? error.message : `${error.message} ${hint}`))
  }

  /** Show an event, if it concerns the user. */
  async handle(event: ChatEvent): Promise<void> {
    await this.#opening
    switch (event.type) {
      case 'message':
        this.#updateTitle(event)
        if (!this.#sentHere.delete(event.id)) this.#showNew(event)
        break
      case 'unreadable':
        this.#showNew(event)
        break
      case 'presence':
        this.presence.update(event)
        if (this.conversation.kind === 'direct' && this.#isMember(event.username)) this.#showEvent(event)
        break
      case 'connected':
        if (!this.#isConnected) this.showInfo('Connected again.')
        this.#isConnected = true
        // Presence events of the time without a connection are missing.
        await this.presence.fetch(this.#otherMembers()).catch((error: unknown) => this.showError(error))
        break
      case 'disconnected':
        if (this.#isConnected) this.#showEvent(event)
        this.#isConnected = false
        break
      case 'conversation':
        if (!this.#titles.has(event.conversation.id)) this.#showEvent(event)
        this.setTitles([event.conversation])
        break
      case 'members':
        this.#showEvent(event)
        if (event.conversationId === this.conversation.id) await this.#refreshConversation()
        break
      case 'device-changed':
        if (this.#isMember(event.username)) this.#showEvent(event)
        break
      default:
        this.#showEvent(event)
    }
    this.#updatePrompt()
  }

  #showHeading(text: string): void {
    this.#screen.show(this.#style('bold', `── ${sanitize(text)} ──`))
  }

  showInfo(text: string): void {
    this.#screen.show(this.#style('dim', `· ${text}`))
  }

  showWarning(text: string): void {
    this.#screen.show(this.#style('yellow', `! ${text}`))
  }

  #showNew(item: Extract<Incoming, { id: string; position: number }>): void {
    const { conversationId, id, position } = item
    if (conversationId !== this.conversation.id) {
      if (item.type === 'unreadable' || item.own) return
      const unread = this.unreadIn(conversationId) + 1
      this.#unread.set(conversationId, unread)
      if (unread === 1) this.showInfo(`New messages in ${sanitize(this.#titleOf(conversationId))}.`)
      return
    }
    // The stream starts where it ended the last time, and repeats messages that are on the screen.
    if (position <= this.#newestShown && (item.type === 'unreadable' || !this.#unreadable.delete(id))) return
    this.#newestShown = Math.max(this.#newestShown, position)
    this.#showIncoming(item)
  }

  async #readNewest(limit: number): Promise<Incoming[]> {
    const messages: Incoming[] = []
    for await (const item of this.chat.history(this.conversation.id, { limit })) messages.unshift(item)
    for (const item of messages) if (item.type === 'message') this.#updateTitle(item)
    return messages
  }

  #showAll(messages: readonly Incoming[]): void {
    for (const item of messages) {
      if ('position' in item) this.#newestShown = Math.max(this.#newestShown, item.position)
      this.#showIncoming(item)
    }
  }

  #updateTitle({ conversationId, content }: IncomingMessage): void {
    if (content.type === 'title') this.#titles.set(conversationId, content.text)
  }

  #showIncoming(item: Incoming): void {
    if (item.type === 'message') this.#screen.show(this.#line(item))
    else this.#showEvent(item)
    if (item.type === 'unreadable' && item.reason === 'no-key') this.#unreadable.add(item.id)
  }

  /** `21:07 bob: hello`, with the date if it is not today's. */
  #line({ from: { username }, sentAt, content }: IncomingMessage): string {
    const [day, time] = formatTime(sentAt).split(' ')
    const isToday = formatTime(new Date().toISOString()).startsWith(day!)
    const when = this.#style('dim', isToday ? time! : `${day} ${time}`)
    return `${when} ${this.#style(nameStyle(username), sanitize(username))}: ${contentText(content)}`
  }

  #showEvent(event: ChatEvent): void {
    const shown = eventText(event, (id) => this.#titleOf(id))
    if (shown?.level === 'warning') this.showWarning(shown.text)
    else if (shown !== null) this.showInfo(shown.text)
  }

  async #refreshConversation(): Promise<void> {
    try {
      this.#conversation = await this.chat.conversations.get(this.conversation.id)
    } catch (error) {
      this.showError(error)
    }
  }

  /** `bob (online, 2 unread)> ` */
  #updatePrompt(): void {
    const here = this.#otherMembers().filter((username) => this.presence.isOnline(username)).length
    const unread = [...this.#unread.values()].reduce((sum, count) => sum + count, 0)
    const states = [
      this.conversation.kind === 'direct' ? here === 1 && 'online' : here > 0 && `${here} online`,
      unread > 0 && `${unread} unread`
    ].filter((state) => state !== false)
    const title = sanitize([...this.#titleOf(this.conversation.id)].slice(0, 24).join(''))
    this.#screen.setPrompt(`${title}${states.length === 0 ? '' : ` (${states.join(', ')})`}> `)
  }

  #otherMembers(): string[] {
    const me = this.chat.account?.username
    return this.conversation.members.map(({ username }) => username).filter((username) => username !== me)
  }

  #isMember(username: string): boolean {
    return this.conversation.members.some((member) => member.username === username)
  }

  #titleOf(conversationId: string): string {
    return this.#titles.get(conversationId) ?? 'another conversation'
  }
}
