import type { ConversationChains } from '../conversations/chains.js'
import type { FirstContact } from '../conversations/first-contact.js'
import type { Api } from '../transport/api.js'
import type { Conversation } from '../types/conversations.js'
import type { Conversations } from './conversations.js'

/** Conversations that strangers have begun, and that the user has not accepted. */
export class Requests {
  readonly #api: Api
  readonly #chains: ConversationChains
  readonly #contact: FirstContact
  readonly #conversations: Conversations

  constructor(api: Api, chains: ConversationChains, contact: FirstContact, conversations: Conversations) {
    this.#api = api
    this.#chains = chains
    this.#contact = contact
    this.#conversations = conversations
  }

  /** All that wait, verified. */
  async list(): Promise<Conversation[]> {
    return (await this.#conversations.list()).filter(({ request }) => request?.declined === false)
  }

  /**
   * Take part. From now on `events` shows what comes; what came before is in the `history`.
   *
   * @throws `conversation-not-found` (`refused`)
   */
  async accept(id: string): Promise<Conversation> {
    await this.#api.call({ method: 'POST', path: acceptance(id) })
    await this.#contact.accept(id)
    return this.#conversations.get(id)
  }

  /**
   * Leave a group. A direct conversation stays, and nothing of it is shown. The stranger is not told.
   *
   * @throws `conversation-not-found`, `forbidden` (`refused`) if it is no request
   */
  async decline(id: string): Promise<void> {
    const { kind } = await this.#conversations.get(id)
    if (kind !== 'direct') {
      await this.#conversations.leave(id)
      return this.#contact.accept(id)
    }
    await this.#api.call({ method: 'DELETE', path: acceptance(id) })
    await this.#contact.decline(id)
  }

  /** A user who writes to a stranger has accepted. This device may not have heard yet that it is a request. */
  async acceptToSend(id: string): Promise<void> {
    const isRequest = (await this.#contact.request(id)) !== undefined
    if (isRequest || !(await this.#chains.isKnown(id))) await this.accept(id)
  }
}

function acceptance(id: string): string {
  return `/v1/conversations/${encodeURIComponent(id)}/acceptance`
}
