import type { Static } from 'typebox'
import type { durableEvents } from '../../protocol/events.js'
import type { ChainRequest } from '../../protocol/conversation-chain.js'
import type { ConversationChains } from '../conversations/chains.js'
import { toConversation } from '../conversations/info.js'
import { changesOf } from '../conversations/member-events.js'
import type { FirstContact } from '../conversations/first-contact.js'
import { endNews, isNews, noteNews } from '../conversations/news.js'
import type { OwnDevice } from '../identity/own-device.js'
import type { KeyForwarding, OwnRecipient } from '../session-keys/forward.js'
import type { LeftOutDevices } from '../session-keys/left-out.js'
import type { Store } from '../stores/store.js'
import type { ChatEvent } from '../types/events.js'
import type { Handled } from '../identity/handled.js'

type ChainEvent = Static<(typeof durableEvents)['conversation.created' | 'conversation.chain']>

/** Handles requests that extend the chain of a conversation. */
export class ConversationEvents {
  readonly #store: Store
  readonly #chains: ConversationChains
  readonly #forwarding: KeyForwarding
  readonly #leftOut: LeftOutDevices
  readonly #me: OwnDevice
  readonly #contact: FirstContact

  constructor(
    store: Store,
    chains: ConversationChains,
    forwarding: KeyForwarding,
    leftOut: LeftOutDevices,
    me: OwnDevice,
    contact: FirstContact
  ) {
    this.#store = store
    this.#contact = contact
    this.#chains = chains
    this.#forwarding = forwarding
    this.#leftOut = leftOut
    this.#me = me
  }

  async *request({ conversationId: id, position, items }: ChainEvent): AsyncGenerator<Handled> {
    const news = `conversation/${id}` as const
    const before = await this.#chains.peek(id)
    if (before === undefined) await this.#store.update((tx) => noteNews(tx, news))
    const isNew = before === undefined || (await isNews(this.#store, news))
    const { conversation, shown } = await this.#chains
      .take(id, items, position)
      .catch(async (error: unknown) => {
        if (before === undefined) await this.#store.update((tx) => endNews(tx, news))
        throw error
      })
    const joining = shown.find(({ request }) => adds(request, this.#me.username))
    const request = await this.#requestOf(id, joining !== undefined, position)
    const events: ChatEvent[] = []
    if (request !== undefined) {
      // The chain says who it was, signed.
      const by = (joining ?? (isNew ? shown[0] : undefined))?.by ?? request.by
      if (request.position === position - 1) events.push({ type: 'request', conversationId: id, by })
    } else if (isNew) {
      const users = await this.#chains.users(id)
      events.push({
        type: 'conversation',
        conversation: toConversation(conversation, users, this.#me.username, undefined)
      })
    } else for (const request of shown) events.push(...changesOf(id, request, position))
    const hashes = shown.flatMap(({ request }) => ('key' in request ? [request.key.hash] : []))
    const leftOut: [hash: string, devices: OwnRecipient[]][] = []
    for (const hash of hashes) leftOut.push([hash, await this.#leftOut.of(conversation, hash)])
    yield {
      events,
      commit: (tx) => {
        if (isNew) endNews(tx, news)
        for (const [hash, devices] of leftOut) this.#leftOut.plan(tx, id, hash, devices)
      }
    }
    if (leftOut.some(([, devices]) => devices.length > 0)) this.#leftOut.forward()
    if (joining !== undefined && before !== undefined) await this.#forwarding.shareAfterRejoin(id)
  }

  /** The request that the conversation is. One of an earlier membership does not count any more. */
  async #requestOf(id: string, joins: boolean, position: number) {
    const request = await this.#contact.request(id)
    if (request === undefined || !joins || request.position === position - 1) return request
    await this.#contact.accept(id)
    return undefined
  }
}

function adds(request: ChainRequest, username: string): boolean {
  if ('leave' in request) return false
  return request.changes.some(
    ({ statement }) => statement.kind === 'conversation-add' && statement.member.username === username
  )
}
