import { randomUUID } from 'node:crypto'
import type {
  ChatClient,
  ChatEvent,
  Conversation,
  Incoming,
  IncomingMessage,
  UnreadableMessage
} from '../../client/index.js'
import { deviceChanges } from '../output/device-changes.js'
import { eventText } from '../output/event-text.js'
import { forPeople, type ShownItem } from '../output/for-people.js'
import type { Style } from '../terminal/style.js'
import type { Screen } from '../terminal/screen.js'
import { truncate } from '../terminal/wrap.js'
import { DeviceNews } from './device-news.js'
import { readEntered } from './entered.js'
import { errorText, sendErrorText } from './error-text.js'
import { chatLine, enteredLine } from './line.js'
import { ConversationNames } from './names.js'
import { promptText } from './prompt-text.js'
import { Presence } from './presence.js'
import { ShownMessages } from './shown-messages.js'

/** Messages that are shown when a conversation is opened. */
const RECENT_MESSAGES = 20

/** A screen with one open conversation. It counts what arrives in the others. */
export class ChatSession {
  readonly chat: ChatClient
  readonly presence: Presence
  readonly #screen: Screen
  readonly #style: Style
  readonly #url: string
  readonly #names = new ConversationNames()
  readonly #unread = new Map<string, number>()
  readonly #shown = new ShownMessages()
  readonly #deviceNews = new DeviceNews((changes) => this.showInfo(deviceChanges(changes, this.#me)))
  #conversation: Conversation | undefined
  #olderMentioned = false
  #opening: Promise<void> = Promise.resolve()
  #isConnected = true

  constructor(chat: ChatClient, screen: Screen, { style, url }: { style: Style; url: string }) {
    this.chat = chat
    this.presence = new Presence(chat)
    this.#screen = screen
    this.#style = style
    this.#url = url
    screen.showEntered((line) => this.#entered(line))
  }

  /** The open conversation. */
  get conversation(): Conversation {
    return this.#conversation!
  }

  get #me(): string {
    return this.chat.account!.username
  }

  unreadIn(conversationId: string): number {
    return this.#unread.get(conversationId) ?? 0
  }

  setTitles(conversations: readonly Conversation[]): void {
    this.#names.add(conversations)
  }

  /** Show the newest messages of a conversation, and from now on its new ones. */
  open(conversation: Conversation): Promise<void> {
    const opened = this.#opening.then(async () => {
      this.setTitles([conversation])
      this.#conversation = conversation
      this.#shown.clear()
      this.#olderMentioned = false
      this.#unread.delete(conversation.id)
      await this.presence.fetch(this.#otherMembers())
      // The messages may hold the group's title.
      const messages = await this.#readNewest(RECENT_MESSAGES)
      this.#screen.show(this.#style('bold', `── ${this.#names.of(conversation.id)} ──`))
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
    this.#shown.add({ type: 'message', id, from: this.chat.account! })
    try {
      await this.chat.send({ conversationId: this.conversation.id }, text, { id })
    } catch (error) {
      this.showWarning(sendErrorText(error, this.#url, await this.chat.isQueued(id)))
    }
  }

  /** Show an error. @throws it if it ends the chat */
  showError(error: unknown): void {
    this.showWarning(errorText(error, this.#url))
  }

  /** Show an event, if it concerns the user. */
  async handle(event: ChatEvent): Promise<void> {
    await this.#opening
    switch (event.type) {
      case 'message':
        this.#updateTitle(event)
        this.#showNew(event)
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
        await this.presence.fetch(this.#otherMembers()).catch((error: unknown) => this.showError(error))
        break
      case 'disconnected':
        if (this.#isConnected) this.#showEvent(event)
        this.#isConnected = false
        this.presence.clear()
        break
      case 'conversation':
        if (this.#names.isNews(event.conversation)) this.#showEvent(event)
        this.setTitles([event.conversation])
        break
      case 'members':
        this.#showEvent(event)
        if (event.conversationId === this.conversation.id) await this.#refreshConversation()
        break
      case 'device-changed':
        if (this.#isMember(event.username)) this.#deviceNews.add(event)
        break
      default:
        this.#showEvent(event)
    }
    this.#updatePrompt()
  }

  showInfo(text: string): void {
    this.#screen.show(this.#style('dim', `· ${text}`))
  }

  showWarning(text: string): void {
    this.#screen.show(this.#style('yellow', `! ${text}`))
  }

  #showNew(item: IncomingMessage | UnreadableMessage): void {
    const { conversationId } = item
    const shown = forPeople([item])
    if (shown.length === 0) return
    if (conversationId !== this.conversation.id) {
      if (item.type === 'unreadable' || item.own) return
      const unread = this.unreadIn(conversationId) + 1
      this.#unread.set(conversationId, unread)
      if (unread === 1) this.showInfo(`New messages in ${this.#names.of(conversationId)}.`)
      return
    }
    // The stream starts where it ended the last time, and repeats messages that are on the screen.
    if (this.#shown.has(item)) return
    if (item.type === 'message' && this.#shown.isOlder(item)) return this.#mentionOlder()
    this.#shown.add(item)
    shown.forEach((one) => this.#showIncoming(one))
  }

  /** Below newer messages they would mislead. */
  #mentionOlder(): void {
    if (!this.#olderMentioned) this.showInfo('Earlier messages have arrived, too. /history 200 shows them.')
    this.#olderMentioned = true
  }

  async #readNewest(limit: number): Promise<Incoming[]> {
    const messages: Incoming[] = []
    for await (const item of this.chat.history(this.conversation.id, { limit })) messages.unshift(item)
    for (const item of messages) if (item.type === 'message') this.#updateTitle(item)
    return messages
  }

  #showAll(messages: readonly Incoming[]): void {
    for (const item of messages) {
      if (item.type === 'message') this.#shown.addHistory(item)
      if (item.type === 'unreadable') this.#shown.add(item)
    }
    forPeople(messages).forEach((item) => this.#showIncoming(item))
  }

  #updateTitle({ conversationId, content, late, departed }: IncomingMessage): void {
    // A marked title takes no other's place.
    if (content.type === 'title' && !late && !departed) this.#names.rename(conversationId, content.text)
  }

  #showIncoming(item: ShownItem): void {
    if (item.type === 'message') this.#screen.show(chatLine(item, this.#style))
    else this.#showEvent(item)
  }

  /** A message that was entered looks like all others: behind the prompt the other user would seem to say it. */
  #entered(line: string): string | undefined {
    const entered = readEntered(line)
    if (entered === null || !('text' in entered)) return undefined
    return enteredLine(this.chat.account!, entered.text, this.#style)
  }

  #showEvent(event: ChatEvent): void {
    const shown = eventText(event, { of: (id) => this.#names.of(id), me: this.#me })
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

  #updatePrompt(): void {
    const { id, kind } = this.conversation
    const online = this.#otherMembers().filter((username) => this.presence.isOnline(username)).length
    const unread = [...this.#unread.values()].reduce((sum, count) => sum + count, 0)
    const name = truncate(this.#names.of(id), Math.min(26, this.#screen.columns >> 1))
    this.#screen.setPrompt(promptText(name, kind, { online, unread }))
  }

  #otherMembers(): string[] {
    return this.conversation.members.map(({ username }) => username).filter((name) => name !== this.#me)
  }

  #isMember(username: string): boolean {
    return this.conversation.members.some((member) => member.username === username)
  }
}
