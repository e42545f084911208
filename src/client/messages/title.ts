import type { ConversationChains } from '../conversations/chains.js'
import { recordTitleSearch } from '../conversations/record.js'
import type { Store } from '../stores/store.js'
import type { Incoming } from '../types/messages.js'
import type { MessageHistory } from './history.js'

/** If there are more new messages than this, the newest are read first. */
const FORWARD_LIMIT = 50
/** How many of the newest messages are searched for a title. */
const BACKWARD_LIMIT = 1000

/** Finds the titles of groups. A title is a message: those that are new since the last search are read. */
export class TitleSearch {
  readonly #store: Store
  readonly #chains: ConversationChains
  readonly #history: MessageHistory

  constructor(store: Store, chains: ConversationChains, history: MessageHistory) {
    this.#store = store
    this.#chains = chains
    this.#history = history
  }

  /**
   * @param lastPosition position of the conversation's newest event, if the server has named it: if it is the
   *   one of the last search, nothing is fetched
   * @returns null if no message that this device can read gives a title
   */
  async read(conversationId: string, lastPosition?: number): Promise<string | null> {
    const { title, titleReadTo = 0, titleSearchedAt } = (await this.#chains.get(conversationId)).stored
    if (lastPosition !== undefined && lastPosition === titleSearchedAt) return title
    const readTo =
      titleReadTo === 0
        ? await this.#backward(conversationId, titleReadTo)
        : await this.#forward(conversationId, titleReadTo)
    await this.#store.update((tx) => recordTitleSearch(tx, conversationId, readTo, lastPosition))
    return (await this.#chains.get(conversationId)).stored.title
  }

  /** @returns the position up to which everything was read */
  async #forward(conversationId: string, after: number): Promise<number> {
    let readTo = after
    let count = 0
    for await (const item of this.#history.read(conversationId, { after, limit: FORWARD_LIMIT })) {
      if (!('position' in item)) continue
      readTo = item.position
      count++
    }
    return count < FORWARD_LIMIT ? readTo : this.#backward(conversationId, readTo)
  }

  /** Read backward until a title; then the first messages, if it is not among them. @returns as `#forward` does */
  async #backward(conversationId: string, until: number): Promise<number> {
    let newest = until
    for await (const item of this.#history.read(conversationId, { limit: BACKWARD_LIMIT })) {
      if (!('position' in item)) continue
      newest = Math.max(newest, item.position)
      if (item.position <= until || isTitle(item)) return newest
    }
    // The message that a group begins with names it.
    for await (const item of this.#history.read(conversationId, { after: 0, limit: FORWARD_LIMIT }))
      if (isTitle(item)) break
    return newest
  }
}

/** A marked title counts only if there is no other one. */
function isTitle(item: Incoming): boolean {
  return item.type === 'message' && item.content.type === 'title' && !item.late && !item.departed
}
