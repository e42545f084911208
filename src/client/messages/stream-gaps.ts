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
  toReordered,
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
  /** How many numbers are missing before the message. */
  missing: number
  commit?: (tx: StoreTransaction) => Promise<void> | void
}

const NOTHING: Before = { events: [], missing: 0 }

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
    const { n, conversationId } = message
    const counter = counterOf(message)
    const known = await lastStreamed(this.#store, counter)
    if (known === undefined && !(await this.#isFromStart(message))) return NOTHING
    const last = known ?? 0
    if (n <= last) return { ...NOTHING, events: await this.#toldBefore(message) }
    if (n === last + 1) return NOTHING
    const noted = await deletedBefore(this.#store, message)
    const range = { first: last + 1, last: n - 1 }
    const gap = async (tombstones: Tombstones) => {
      const events = await this.#missing(message, range)
      const filling = events.length > 0 ? await this.#countFilling(counter, n, tombstones) : 0
      return { missing: events[0]?.count ?? 0, told: unlessDeleted(events, filling) }
    }
    const found = await gap(noted)
    const isDue = (await this.#store.get(dueName(conversationId))) === true
    if (found.told.length === 0 && !isDue) return { ...NOTHING, missing: found.missing }
    const past = await this.#readPast(message)
    const all = new Map([
      ...noted,
      ...(past?.deleted ?? []).map(({ position, id }) => [position, id] as const)
    ])
    const { missing, told } = past === undefined ? found : await gap(all)
    return {
      events: [...(past?.deleted ?? []), ...(past?.moved ?? []), ...told],
      missing,
      commit: async (tx) => {
        await past?.commit(tx)
        if (told.length > 0) await noteGap(tx, counter, n, range)
      }
    }
  }

  /**
   * @param missing how many numbers are missing before the message
   * @returns whether the stream has brought none of this device under this session key before
   */
  async advance(tx: StoreTransaction, message: IncomingMessage, missing: number): Promise<boolean> {
    const before = await noteStreamed(tx, message)
    const { n, content } = message
    // Tombstones in front of a number that was given up, and may come late, can stand for those behind it.
    if (n > (before ?? 0)) await forgetDeleted(tx, message, content.type === 'void' ? missing : Infinity)
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
    // Messages that are read here count as seen at once. When a later page fails, they are still to be shown.
    await this.#store.update((tx) => tx.set(dueName(conversationId), true))
    const deleted: DeletedMessage[] = []
    const moved: (ReorderedMessage | IncomingMessage)[] = []
    for await (const item of this.#history.read(conversationId, { before: start + 1 })) {
      if (item.key !== key) break
      if (item.type === 'message-deleted') deleted.push(item)
      if (item.type === 'message' && (await this.#isMoved(item))) moved.push(toReordered(item), item)
    }
    deleted.reverse()
    const commit = async (tx: StoreTransaction): Promise<void> => {
      for (const item of deleted) await noteDeleted(tx, item)
      tx.set(name, start)
      tx.delete(dueName(conversationId))
    }
    return { deleted, moved, commit }
  }

  async #isMoved(message: IncomingMessage): Promise<boolean> {
    const isVoid = message.content.type === 'void'
    return (await this.#seen.check(counterOf(message), { ...message, isVoid })).isMoved
  }
}

/** The time before the stream is to be read, or was not shown to its end. */
function dueName(conversationId: string): string {
  return `past-due/${conversationId}`
}
