import { MessagePage, type DeletedMessage, type Message } from '../../protocol/messages.js'
import { untrusted, type ChatError } from '../errors.js'
import type { Store } from '../stores/store.js'
import type { Api } from '../transport/api.js'
import { MESSAGE_PAGE_BYTES } from '../transport/pages.js'
import type { HistoryRange, Incoming } from '../types/messages.js'
import type { DecryptedMessage, MessageDecryptor } from './decrypt.js'
import { shownDeleted } from './deleted.js'
import { HistoryGaps } from './gaps.js'

const PAGE_SIZE = 200

interface Page {
  messages: Message[]
  /** In the same order, as the messages in whose places they stand. */
  deleted: DeletedMessage[]
}

/** Reads conversations page by page: newest first, or oldest first after a position. */
export class MessageHistory {
  readonly #api: Api
  readonly #store: Store
  readonly #decryptor: MessageDecryptor

  constructor(api: Api, store: Store, decryptor: MessageDecryptor) {
    this.#api = api
    this.#store = store
    this.#decryptor = decryptor
  }

  /** @param hidden users whose messages are left out, and do not count */
  async *read(
    conversationId: string,
    range: HistoryRange,
    hidden: ReadonlySet<string> = new Set()
  ): AsyncGenerator<Incoming, void, undefined> {
    for await (const item of this.#read(conversationId, range, hidden))
      if (!hidden.has(item.from.username)) yield item
  }

  async *#read(
    conversationId: string,
    range: HistoryRange,
    hidden: ReadonlySet<string>
  ): AsyncGenerator<Incoming, void, undefined> {
    const isBackward = range.after === undefined
    const isInOrder = (one: number, next: number) => (isBackward ? one > next : one < next)
    const gaps = new HistoryGaps(
      isBackward,
      (message) => this.#decryptor.isFromStart(message),
      (message, id) => this.#decryptor.placeOf(message, id)
    )
    let left = range.limit ?? Infinity
    for await (const { messages, deleted } of this.#pages(conversationId, range)) {
      const wanted: Message[] = []
      for (const message of messages) {
        if (left <= 0) break
        wanted.push(message)
        if (!hidden.has(message.sender.username)) left--
      }
      const read: DecryptedMessage[] = []
      const tombstones = function* (isNext: (tombstone: DeletedMessage) => boolean) {
        while (deleted[0] !== undefined && isNext(deleted[0])) {
          const shown = shownDeleted(conversationId, deleted.shift()!)
          gaps.noteDeleted(shown)
          yield shown
        }
      }
      try {
        for await (const message of this.#decryptor.decrypt(wanted)) {
          const { shown, before, commit } = message
          yield* tombstones(({ position }) => isInOrder(position, shown.position))
          if (commit !== null) read.push(message)
          yield* before
          if (shown.type === 'message') yield* await gaps.before(shown, range.after === 0)
          yield shown
        }
      } finally {
        await this.#commit(read)
      }
      if (left <= 0) return
      yield* tombstones(() => true)
    }
    if (isBackward) yield* await gaps.atBeginning()
  }

  /** Once a page: messages that are not committed when the process dies are checked again the next time. */
  async #commit(messages: readonly DecryptedMessage[]): Promise<void> {
    if (messages.length === 0) return
    await this.#store.update(async (tx) => {
      for (const message of messages) await this.#decryptor.commit(tx, message)
    })
  }

  async *#pages(
    conversationId: string,
    { before, after, limit = Infinity }: HistoryRange
  ): AsyncGenerator<Page, void, undefined> {
    const size = Math.max(1, Math.min(PAGE_SIZE, limit))
    const isForward = after !== undefined
    let query = isForward ? `&after=${after}` : before === undefined ? '' : `&before=${before}`
    const start = after ?? before ?? Infinity
    const last = { message: start, deleted: start }
    /** Takes a place of the history, whose own order the positions must have. */
    const take = (of: keyof typeof last, position: number): void => {
      if (isForward ? position <= last[of] : position >= last[of]) throw reordered()
      last[of] = position
    }
    const isWanted = ({ position }: { position: number }) =>
      !isForward || before === undefined || position < before
    for (;;) {
      const path = `/v1/conversations/${conversationId}/messages?limit=${size}${query}`
      const request = { method: 'GET', path, response: MessagePage, maxBytes: MESSAGE_PAGE_BYTES } as const
      const { items, deleted, next } = (await this.#api.call(request)).body
      for (const message of items) {
        if (message.conversationId !== conversationId) throw reordered()
        take('message', message.position)
      }
      const places = new Set(items.map(({ position }) => position))
      for (const { position } of deleted) {
        if (places.has(position)) throw reordered()
        take('deleted', position)
      }
      // All of the next page stands behind all of this one.
      last.message = last.deleted = (isForward ? Math.max : Math.min)(last.message, last.deleted)
      const page = { messages: items.filter(isWanted), deleted: deleted.filter(isWanted) }
      const [wanted, all] = [page.messages.length + page.deleted.length, items.length + deleted.length]
      if (wanted > 0) yield page
      if (next === null || wanted < all || all === 0) return
      query = `&cursor=${encodeURIComponent(next)}`
    }
  }
}

function reordered(): ChatError {
  return untrusted('reordered-history', 'The server’s history is not in the order of its positions.')
}
