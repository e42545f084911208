import { streamStart } from '../stores/read-range.js'
import type { Store, StoreTransaction } from '../stores/store.js'
import type {
  DeletedMessage,
  Incoming,
  IncomingMessage,
  ReorderedMessage,
  WithheldMessages
} from '../types/messages.js'
import { deletedBefore, forgetDeleted, noteDeleted, type Tombstones } from './deleted.js'
import {
  counterOf,
  lastStreamed,
  noteGap,
  noteStreamed,
  toldGap,
  unlessDeleted,
  withheld,
  type IsFromStart,
  type Range
} from './gaps.js'
import type { MessageHistory } from './history.js'
import type { CounterId, SeenMessages } from './seen.js'

/** What is told before a message, and written down with it: if this is interrupted before, it is told again. */
interface Before {
  events: Incoming[]
  commit?: (tx: StoreTransaction) => Promise<void> | void
}

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
   * The messages that the sender sent before this one, and that were never shown, in the stream or elsewhere; with what
   * is found in the past, and fills this gap and others.
   */
  async before(message: IncomingMessage): Promise<Before> {
    const { n } = message
    const counter = counterOf(message)
    const known = await lastStreamed(this.#store, counter)
    if (known === undefined && !(await this.#isFromStart(message))) return { events: [] }
    const last = known ?? 0
    if (n <= last) return { events: await this.#toldBefore(message) }
    if (n === last + 1) return { events: [] }
    const noted = await deletedBefore(this.#store, message)
    const range = { first: last + 1, last: n - 1 }
    const gap = async (tombstones: Tombstones) => {
      const missing = await this.#missing(message, range)
      return unlessDeleted(missing, missing.length > 0 ? await this.#countFilling(counter, n, tombstones) : 0)
    }
    const found = await gap(noted)
    if (found.length === 0) return { events: [] }
    const past = await this.#readPast(message)
    const all = new Map([
      ...noted,
      ...(past?.deleted ?? []).map(({ position, id }) => [position, id] as const)
    ])
    const told = past === undefined ? found : await gap(all)
    return {
      events: [...(past?.deleted ?? []), ...(past?.moved ?? []), ...told],
      commit: async (tx) => {
        past?.commit(tx)
        if (told.length > 0) await noteGap(tx, counter, n, range)
      }
    }
  }

  /** @returns whether the stream has brought none of this device under this session key before */
  async advance(tx: StoreTransaction, message: IncomingMessage): Promise<boolean> {
    const before = await noteStreamed(tx, message)
    const { n, content } = message
    const leftOut = n - 1 - (before ?? 0)
    // Tombstones in front of a number that was given up, and may come late, can stand for those behind it.
    if (leftOut >= 0) await forgetDeleted(tx, message, content.type === 'void' ? leftOut : Infinity)
    return before === undefined
  }

  /** What another client of the store has told before this message, or this one when the stream came to it first. */
  async #toldBefore(message: IncomingMessage): Promise<WithheldMessages[]> {
    const range = await toldGap(this.#store, counterOf(message), message.n)
    return range === undefined ? [] : this.#missing(message, range)
  }

  async #missing(message: IncomingMessage, { first, last }: Range): Promise<WithheldMessages[]> {
    return withheld(message, await this.#seen.missing(counterOf(message), first, last))
  }

  /**
   * Only tombstones between the messages around the gap fill it: another log, and a client of the store that is behind,
   * bring older ones again. One of a message that was read elsewhere fills none: its number is not missing.
   */
  async #countFilling(counter: CounterId, n: number, tombstones: Tombstones): Promise<number> {
    const { conversationId, signingKey } = counter
    const from = (await this.#seen.placeBefore(counter, n)) ?? 0
    let count = 0
    for (const [position, id] of tombstones)
      if (position > from && (await this.#seen.positionOf(conversationId, signingKey, id)) === undefined)
        count++
    return count
  }

  /**
   * A device gets session keys before its stream begins: read what was sent in between. Messages are taken under the
   * newest key only, so that all behind one under another key are under others, too. Once for each beginning.
   *
   * @returns the tombstones there, oldest first, and the messages that the server has moved there; undefined if
   *   nothing was read
   */
  async #readPast({ conversationId, key }: IncomingMessage) {
    const start = await streamStart(this.#store)
    const name = `past-read/${conversationId}`
    if (start === 0 || (await this.#store.get<number>(name)) === start) return undefined
    const deleted: DeletedMessage[] = []
    const moved: (ReorderedMessage | IncomingMessage)[] = []
    for await (const item of this.#history.read(conversationId, { before: start + 1 })) {
      if (item.key !== key) break
      if (item.type === 'message-deleted') deleted.push(item)
      // It is told once only, and right before its message.
      const isMoved = item.type === 'message' && moved.at(-1)?.id === item.id
      if (item.type === 'reordered' || isMoved) moved.push(item)
    }
    deleted.reverse()
    const commit = (tx: StoreTransaction): void => {
      for (const item of deleted) noteDeleted(tx, item)
      tx.set(name, start)
    }
    return { deleted, moved, commit }
  }
}
