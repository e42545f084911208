import { randomUUID } from 'node:crypto'
import {
  ChatError,
  type ChatClient as Chat,
  type ChatEvent,
  type Conversation,
  type Incoming,
  type IncomingMessage
} from '../../client/index.js'
import { hintFor, isUnreachable, UsageError } from '../errors.js'
import { localTime } from '../terminal/format.js'
import { noticeOf } from '../output/event-text.js'
import { Presence } from './presence.js'
import { styleOf, type Paint } from '../terminal/style.js'
import { said } from '../output/messages.js'
import { safe } from '../terminal/sanitize.js'
import type { Screen } from '../terminal/screen.js'

/** Messages of the past that are shown when a conversation is opened. */
const PAST = 20

/** One open conversation on a screen, and what goes on in the others meanwhile. */
export class ChatSession {
  readonly chat: Chat
  readonly presence: Presence
  readonly #screen: Screen
  readonly #paint: Paint
  readonly #url: string
  readonly #titles = new Map<string, string>()
  readonly #unread = new Map<string, number>()
  /** Sent from here: they stand on the screen as they were typed. */
  readonly #sent = new Set<string>()
  /** Messages on the screen that could not be read yet. */
  readonly #unreadable = new Set<string>()
  #open: Conversation | undefined
  /** The newest position on the screen. */
  #newest = 0
  #opening: Promise<void> = Promise.resolve()
  #isConnected = true

  constructor(chat: Chat, screen: Screen, { paint, url }: { paint: Paint; url: string }) {
    this.chat = chat
    this.presence = new Presence(chat)
    this.#screen = screen
    this.#paint = paint
    this.#url = url
  }

  /** The open conversation. */
  get conversation(): Conversation {
    return this.#open!
  }

  unreadIn(conversationId: string): number {
    return this.#unread.get(conversationId) ?? 0
  }

  /** Remember what conversations are called. */
  name(conversations: readonly Conversation[]): void {
    for (const { id, title } of conversations) this.#titles.set(id, title ?? 'a group without a name')
  }

  /** Show the newest messages of a conversation, and from now on what is said in it. */
  open(conversation: Conversation): Promise<void> {
    const opened = this.#opening.then(async () => {
      this.name([conversation])
      this.#open = conversation
      this.#newest = 0
      this.#unread.delete(conversation.id)
      await this.presence.ask(this.#others())
      // The past tells what a group is called.
      const past = await this.#readPast(PAST)
      this.heading(this.#titleOf(conversation.id))
      this.#showPast(past)
      this.#ask()
    })
    this.#opening = opened.catch(() => undefined)
    return opened
  }

  /** Show the newest messages of the open conversation, oldest first. */
  async showPast(limit: number): Promise<void> {
    this.#showPast(await this.#readPast(limit))
  }

  /** Send what was typed. What goes wrong is said on the screen. @throws {ChatError} `logged-out` */
  async say(text: string): Promise<void> {
    const id = randomUUID()
    this.#sent.add(id)
    try {
      await this.chat.send({ conversationId: this.conversation.id }, text, { id })
    } catch (error) {
      if (isUnreachable(error))
        this.warn('The server can’t be reached. Your message is kept, and goes out when it is back.')
      else this.complain(error)
    }
  }

  /** Say what has gone wrong. @throws what ends the session */
  complain(error: unknown): void {
    const isKnown = error instanceof ChatError || error instanceof UsageError
    if (!isKnown || (error instanceof ChatError && ['logged-out', 'store'].includes(error.kind))) throw error
    const hint = hintFor(error, this.#url)
    this.warn(safe(hint === undefined ? error.message : `${error.message} ${hint}`))
  }

  /** Take in what has happened, and show what concerns the person. */
  async take(event: ChatEvent): Promise<void> {
    await this.#opening
    switch (event.type) {
      case 'message':
        this.#noteTitle(event)
        if (!this.#sent.delete(event.id)) this.#arrived(event)
        break
      case 'unreadable':
        this.#arrived(event)
        break
      case 'presence':
        this.presence.take(event)
        if (this.conversation.kind === 'direct' && this.#isHere(event.username)) this.#notify(event)
        break
      case 'connected':
        if (!this.#isConnected) this.remark('Connected again.')
        this.#isConnected = true
        // Nobody has told who came and went until now.
        await this.presence.ask(this.#others()).catch((error: unknown) => this.complain(error))
        break
      case 'disconnected':
        if (this.#isConnected) this.#notify(event)
        this.#isConnected = false
        break
      case 'conversation':
        if (!this.#titles.has(event.conversation.id)) this.#notify(event)
        this.name([event.conversation])
        break
      case 'members':
        this.#notify(event)
        if (event.conversationId === this.conversation.id) await this.#refresh()
        break
      case 'device-changed':
        if (this.#isHere(event.username)) this.#notify(event)
        break
      default:
        this.#notify(event)
    }
    this.#ask()
  }

  heading(text: string): void {
    this.#screen.show(this.#paint('bold', `── ${safe(text)} ──`))
  }

  remark(text: string): void {
    this.#screen.show(this.#paint('dim', `· ${text}`))
  }

  warn(text: string): void {
    this.#screen.show(this.#paint('yellow', `! ${text}`))
  }

  #arrived(item: Extract<Incoming, { id: string; position: number }>): void {
    const { conversationId, id, position } = item
    if (conversationId !== this.conversation.id) {
      if (item.type === 'unreadable' || item.own) return
      const unread = this.unreadIn(conversationId) + 1
      this.#unread.set(conversationId, unread)
      if (unread === 1) this.remark(`Something new in ${safe(this.#titleOf(conversationId))}.`)
      return
    }
    // The stream begins where it was left, and so repeats what the past has shown.
    if (position <= this.#newest && (item.type === 'unreadable' || !this.#unreadable.delete(id))) return
    this.#newest = Math.max(this.#newest, position)
    this.#showIncoming(item)
  }

  async #readPast(limit: number): Promise<Incoming[]> {
    const past: Incoming[] = []
    for await (const item of this.chat.history(this.conversation.id, { limit })) past.unshift(item)
    for (const item of past) if (item.type === 'message') this.#noteTitle(item)
    return past
  }

  #showPast(past: readonly Incoming[]): void {
    for (const item of past) {
      if ('position' in item) this.#newest = Math.max(this.#newest, item.position)
      this.#showIncoming(item)
    }
  }

  #noteTitle({ conversationId, content }: IncomingMessage): void {
    if (content.type === 'title') this.#titles.set(conversationId, content.text)
  }

  #showIncoming(item: Incoming): void {
    if (item.type === 'message') this.#screen.show(this.#line(item))
    else this.#notify(item)
    if (item.type === 'unreadable' && item.reason === 'no-key') this.#unreadable.add(item.id)
  }

  /** `21:07 bob: hello`, with the date if it was not today. */
  #line({ from: { username }, sentAt, content }: IncomingMessage): string {
    const [day, time] = localTime(sentAt).split(' ')
    const isToday = localTime(new Date().toISOString()).startsWith(day!)
    const when = this.#paint('dim', isToday ? time! : `${day} ${time}`)
    return `${when} ${this.#paint(styleOf(username), safe(username))}: ${said(content)}`
  }

  #notify(event: ChatEvent): void {
    const notice = noticeOf(event, (id) => this.#titleOf(id))
    if (notice?.level === 'warning') this.warn(notice.text)
    else if (notice !== null) this.remark(notice.text)
  }

  async #refresh(): Promise<void> {
    try {
      this.#open = await this.chat.conversations.get(this.conversation.id)
    } catch (error) {
      this.complain(error)
    }
  }

  /** `bob (online, 2 unread)> ` */
  #ask(): void {
    const here = this.#others().filter((username) => this.presence.has(username)).length
    const unread = [...this.#unread.values()].reduce((sum, count) => sum + count, 0)
    const states = [
      this.conversation.kind === 'direct' ? here === 1 && 'online' : here > 0 && `${here} online`,
      unread > 0 && `${unread} unread`
    ].filter((state) => state !== false)
    const title = safe([...this.#titleOf(this.conversation.id)].slice(0, 24).join(''))
    this.#screen.ask(`${title}${states.length === 0 ? '' : ` (${states.join(', ')})`}> `)
  }

  #others(): string[] {
    const me = this.chat.account?.username
    return this.conversation.members.map(({ username }) => username).filter((username) => username !== me)
  }

  #isHere(username: string): boolean {
    return this.conversation.members.some((member) => member.username === username)
  }

  #titleOf(conversationId: string): string {
    return this.#titles.get(conversationId) ?? 'another conversation'
  }
}
