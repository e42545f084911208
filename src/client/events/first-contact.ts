import type { Static } from 'typebox'
import type { durableEvents } from '../../protocol/events.js'
import type { ConversationChains } from '../conversations/chains.js'
import type { FirstContact } from '../conversations/first-contact.js'
import { endNews, isNews, noteNews } from '../conversations/news.js'
import type { OwnDevice } from '../identity/own-device.js'
import type { Store } from '../stores/store.js'
import type { ChatEvent } from '../types/events.js'
import type { Handled } from '../identity/handled.js'

type Data<E extends keyof typeof durableEvents> = Static<(typeof durableEvents)[E]>

/** Handles requests and blocks, and leaves out of all other events what the user does not want to see. */
export class ContactEvents {
  readonly #store: Store
  readonly #contact: FirstContact
  readonly #chains: ConversationChains
  readonly #me: OwnDevice

  constructor(store: Store, contact: FirstContact, chains: ConversationChains, me: OwnDevice) {
    this.#store = store
    this.#contact = contact
    this.#chains = chains
    this.#me = me
  }

  /** The next event adds the user. A conversation that the user is in already is no request, whatever the server says. */
  async *received({ conversationId, by, position }: Data<'request.received'>): AsyncGenerator<Handled> {
    const known = await this.#chains.peekReadable(conversationId)
    const isIn = known?.chain.members.has(this.#me.username) === true
    if (isIn && (await this.#contact.request(conversationId)) === undefined) return
    yield {
      events: [],
      commit: (tx) => this.#contact.noteRequest(tx, conversationId, { by, declined: false, position })
    }
  }

  async *accepted({ conversationId }: Data<'request.accepted'>): AsyncGenerator<Handled> {
    const news = `accepted/${conversationId}` as const
    if ((await this.#contact.request(conversationId)) !== undefined)
      await this.#store.update((tx) => {
        this.#contact.acceptIn(tx, conversationId)
        noteNews(tx, news)
      })
    else if (!(await isNews(this.#store, news))) return
    yield { events: [{ type: 'request-accepted', conversationId }], commit: (tx) => endNews(tx, news) }
  }

  async *blocked({ username, blocked }: Data<'block.changed'>): AsyncGenerator<Handled> {
    const news = `block/${username}` as const
    if ((await this.#contact.blocked()).has(username) !== blocked)
      await this.#store.update(async (tx) => {
        await this.#contact.noteBlockedIn(tx, username, blocked)
        noteNews(tx, news)
      })
    else if (!(await isNews(this.#store, news))) return
    yield { events: [{ type: 'block-changed', username, blocked }], commit: (tx) => endNews(tx, news) }
  }

  /** The same without events of requests that wait, and without what blocked users have sent. */
  async shown(handled: Handled): Promise<Handled> {
    const events: ChatEvent[] = []
    for (const event of handled.events) if (await this.#isShown(event)) events.push(event)
    return { ...handled, events }
  }

  async #isShown(event: ChatEvent): Promise<boolean> {
    if (event.type === 'request' || event.type === 'request-accepted') return true
    if ('from' in event && (await this.#contact.blocked()).has(event.from.username)) return false
    const id = 'conversationId' in event ? event.conversationId : undefined
    return id === undefined || (await this.#contact.request(id)) === undefined
  }
}
