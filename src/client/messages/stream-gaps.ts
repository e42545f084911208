import { streamStart } from '../stores/read-range.js'
import type { Store, StoreTransaction } from '../stores/store.js'
import type { DeletedMessage, IncomingMessage, WithheldMessages } from '../types/messages.js'
import { countDeleted, forgetDeleted, noteDeleted } from './deleted.js'
import { counterOf, lastStreamed, noteStreamed, unlessDeleted, withheld, type IsFromStart } from './gaps.js'
import type { MessageHistory } from './history.js'
import type { SeenMessages } from './seen.js'

/**
 * Notices when a device's counter jumps in the stream of events. Under a session key that was shared with this
 * device later, counting begins with the first message that comes.
 */
export class StreamGaps {
  readonly #store: Store
  readonly #seen: SeenMessages
  readonly #history: MessageHistory
  readonly #isFromStart: IsFromStart

  constructor(store: Store, seen: SeenMessages, history: MessageHistory, isFromStart: IsFromStart) {
    this.#store = store
    this.#seen = seen
    this.#history = history
    this.#isFromStart = isFromStart
  }

  /**
   * The messages that the sender sent before this one, and that were never shown, in the stream or elsewhere; with the
   * tombstones of the past that may fill this gap and others.
   */
  async before(message: IncomingMessage): Promise<(WithheldMessages | DeletedMessage)[]> {
    const { n } = message
    const counter = counterOf(message)
    const known = await lastStreamed(this.#store, counter)
    if (known === undefined && !(await this.#isFromStart(message))) return []
    const last = known ?? 0
    if (n <= last + 1) return []
    const gap = async () => {
      const ranges = await this.#seen.missing(counter, last + 1, n - 1)
      return unlessDeleted(withheld(message, ranges), await countDeleted(this.#store, message))
    }
    const found = await gap()
    if (found.length === 0) return []
    const past = await this.#readPast(message)
    return past === undefined ? found : [...past, ...(await gap())]
  }

  /** @returns whether the stream has brought none of this device under this session key before */
  async advance(tx: StoreTransaction, message: IncomingMessage): Promise<boolean> {
    const last = await noteStreamed(tx, message)
    // Tombstones in front of a number that was given up, and may come late, can stand for one behind it.
    const least = (last ?? 0) + (message.content.type === 'void' ? 2 : 1)
    if (message.n >= least) await forgetDeleted(tx, message)
    return last === undefined
  }

  /**
   * A device gets session keys before its stream begins: read what was sent in between. Messages are taken under the
   * newest key only, so that all behind one under another key are under others, too. Once for each beginning.
   *
   * @returns the tombstones there, oldest first; undefined if nothing was read
   */
  async #readPast({ conversationId, key }: IncomingMessage): Promise<DeletedMessage[] | undefined> {
    const start = await streamStart(this.#store)
    const name = `past-read/${conversationId}`
    if (start === 0 || (await this.#store.get<number>(name)) === start) return undefined
    const deleted: DeletedMessage[] = []
    for await (const item of this.#history.read(conversationId, { before: start + 1 })) {
      if (item.key !== key) break
      if (item.type === 'message-deleted') deleted.push(item)
    }
    deleted.reverse()
    await this.#store.update(async (tx) => {
      for (const item of deleted) await noteDeleted(tx, item)
      tx.set(name, start)
    })
    return deleted
  }
}
