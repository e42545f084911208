import type { Static } from 'typebox'
import type { durableEvents } from '../../protocol/events.js'
import type { ConversationChains } from '../conversations/chains.js'
import type { FirstContact } from '../conversations/first-contact.js'
import type { OwnDevice } from '../identity/own-device.js'
import type { ChatEvent } from '../types/events.js'
import type { Handled } from '../identity/handled.js'

type Data<E extends keyof typeof durableEvents> = Static<(typeof durableEvents)[E]>

/** Handles requests and blocks, and leaves out of all other events what the user does not want to see. */
export class ContactEvents {
  readonly #contact: FirstContact
  readonly #chains: ConversationChains
  readonly #me: OwnDevice

  constructor(contact: FirstContact, chains: ConversationChains, me: OwnDevice) {
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
    if ((await this.#contact.request(conversationId)) === undefined) return
    yield {
      events: [{ type: 'request-accepted', conversationId }],
      commit: (tx) => this.#contact.acceptIn(tx, conversationId)
    }
  }

  async *blocked({ username, blocked }: Data<'block.changed'>): AsyncGenerator<Handled> {
    if ((await this.#contact.blocked()).has(username) === blocked) return
    yield {
      events: [{ type: 'block-changed', username, blocked }],
      commit: (tx) => this.#contact.noteBlockedIn(tx, username, blocked)
    }
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
