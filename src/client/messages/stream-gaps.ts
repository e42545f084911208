import { streamStart } from '../stores/read-range.js'
import type { Store, StoreTransaction } from '../stores/store.js'
import type {
  DeletedMessage,
  Incoming,
  IncomingMessage,
  ReorderedMessage,
  WithheldMessages
} from '../types/messages.js'
import { deletedBefore, forgetDeleted, noteDeleted } from './deleted.js'
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
import type { SeenMessages } from './seen.js'

/** What is told before a message, and written down with it: if this is interrupted before, it is told again. */
interface Before {
  events: Incoming[]
  /** The place of the last tombstone that fills the gap before the message; 0 if none does. */
  filledTo: number
  commit?: (tx: StoreTransaction) => Promise<void> | void
}

/** What stands in the time before the stream. */
interface Past {
  /** The tombstones of all devices under the session key, oldest first. */
  deleted: DeletedMessage[]
  /** The messages that the server has moved there, each behind an event that tells it. */
  moved: (ReorderedMessage | IncomingMessage)[]
}

const NO_PAST: Past = { deleted: [], moved: [] }

const NOTHING: Before = { events: [], filledTo: 0 }

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
    const range = { first: last + 1, last: n - 1 }
    const found = await this.#gap(message, range)
    const isDue = (await this.#store.get(dueName(conversationId))) === true
    if (found.told.length === 0 && !isDue) return { ...NOTHING, filledTo: found.filledTo }
    const start = await streamStart(this.#store)
    const name = `past-read/${conversationId}`
    const isRead = start === 0 || (await this.#store.get<number>(name)) === start
    // Messages that are read there count as seen at once. When a later page fails, they are still to be shown.
    if (!isRead) await this.#store.update((tx) => tx.set(dueName(conversationId), true))
    const past = isRead ? NO_PAST : await this.#readPast(message, start)
    // Another client of the store may have read that time since the first look, or have come to this message itself.
    const { told, filledTo, deleted } = await this.#gap(message, range, past.deleted)
    if (told.length > 0 && (await lastStreamed(this.#store, counter)) !== known) return this.before(message)
    const hasPast = past.deleted.length + past.moved.length > 0
    return {
      events: [...past.deleted, ...past.moved, ...told],
      filledTo,
      commit: async (tx) => {
        if (!isRead) {
          for (const item of past.deleted) await noteDeleted(tx, item)
          tx.set(name, start)
          tx.delete(dueName(conversationId))
        }
        // Nothing is missing in an empty range.
        const missing = told.length > 0 ? range : { first: n, last: n - 1 }
        if (told.length > 0 || hasPast) await noteGap(tx, counter, { ...missing, n, deleted, hasPast })
      }
    }
  }

  /**
   * @param filledTo the place of the last tombstone that fills the gap before the message; 0 if none does
   * @returns whether the stream has brought none of this device under this session key before
   */
  async advance(tx: StoreTransaction, message: IncomingMessage, filledTo: number): Promise<boolean> {
    const before = await noteStreamed(tx, message)
    const { n, content, position } = message
    // Tombstones in front of a number that was given up, and may come late, can stand for those behind it.
    if (n > (before ?? 0)) await forgetDeleted(tx, message, content.type === 'void' ? filledTo : position)
    return before === undefined
  }

  /** What another client of the store has told before this message, or this one when the stream came to it first. */
  async #toldBefore(message: IncomingMessage): Promise<Incoming[]> {
    const gap = await toldGap(this.#store, counterOf(message), message.n)
    if (gap === undefined) return []
    const past = gap.hasPast ? await this.#readPast(message, await streamStart(this.#store)) : NO_PAST
    const told = unlessDeleted(await this.#missing(message, gap), gap.deleted ?? 0)
    return [...past.deleted, ...past.moved, ...told]
  }

  /** @param found tombstones of the time before the stream */
  async #gap(message: IncomingMessage, range: Range, found: readonly DeletedMessage[] = []) {
    const events = await this.#missing(message, range)
    const [gap] = events
    if (gap === undefined) return { told: [], filledTo: 0, deleted: 0 }
    const filling = await this.#filling(message, gap.first, found)
    const filledTo = filling.slice(0, gap.count).at(-1) ?? 0
    return { told: unlessDeleted(events, filling.length), filledTo, deleted: filling.length }
  }

  async #missing(message: IncomingMessage, { first, last }: Range): Promise<WithheldMessages[]> {
    return withheld(message, await this.#seen.missing(counterOf(message), first, last))
  }

  /**
   * Only tombstones between the messages around the gap fill it: another log, and a client of the store that is behind,
   * bring older ones again. One of a message that was read elsewhere fills none: its number is not missing.
   *
   * @param first the first number that is missing: those behind it may have been read elsewhere
   * @returns their places, in order
   */
  async #filling(
    message: IncomingMessage,
    first: number,
    found: readonly DeletedMessage[]
  ): Promise<number[]> {
    const counter = counterOf(message)
    const from = (await this.#seen.placeBefore(counter, first)) ?? 0
    const places: number[] = []
    for (const [position, id] of await deletedBefore(this.#store, message, found)) {
      const isRead = this.#seen.positionOf(counter.conversationId, counter.signingKey, id)
      if (position > from && (await isRead) === undefined) places.push(position)
    }
    return places
  }

  /**
   * A device gets session keys before its stream begins: read what was sent in between. Messages are taken under the
   * newest key only, so that all behind one under another key are under others, too. Once for each beginning.
   */
  async #readPast({ conversationId, key }: IncomingMessage, start: number): Promise<Past> {
    const deleted: DeletedMessage[] = []
    const moved: (ReorderedMessage | IncomingMessage)[] = []
    for await (const item of this.#history.read(conversationId, { before: start + 1 })) {
      if (item.key !== key) break
      if (item.type === 'message-deleted') deleted.push(item)
      if (item.type === 'message' && (await this.#isMoved(item))) moved.push(toReordered(item), item)
    }
    return { deleted: deleted.reverse(), moved }
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
