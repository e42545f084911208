import { uuidBytes } from '../../crypto/encoding.js'
import type { Core } from '../core.js'
import {
  entriesOf,
  entryAt,
  idMark,
  pageOf,
  positionOf,
  sameMessage,
  toEntry,
  withEntry,
  type SeenEntry
} from './seen-page.js'
import { LruMap } from '../stores/lru-map.js'
import type { StoreTransaction } from '../stores/store.js'
import { untrusted } from '../errors.js'

/** One sending device's messages under one session key. */
export interface Counter {
  conversationId: string
  sessionKeyId: string
  deviceId: string
}

/** How a message that has passed all other checks fits what was seen before. */
export interface ReplayCheck {
  /** Whether it was seen before, at this very place. */
  known: boolean
  /** It stands behind a message that its sender sent later. */
  late: boolean
}

type Pages = Map<number, Uint8Array>

/** What is remembered of one conversation. */
class Book {
  readonly pages = new Map<string, Pages>()
  /** Where a message's id was seen, by a part of it. */
  readonly #ids = new Map<number, { counter: string; n: number }>()

  enter(counter: string, number: number, page: Uint8Array): void {
    const pages = this.pages.get(counter) ?? new Map<number, Uint8Array>()
    this.pages.set(counter, pages.set(number, page))
    for (const [n, entry] of entriesOf(page, number)) this.#ids.set(idMark(entry), { counter, n })
  }

  entry(counter: string, n: number): Uint8Array | null {
    return n < 1 ? null : entryAt(this.pages.get(counter)?.get(pageOf(n)), n)
  }

  /** The entry with this id, wherever it was seen. */
  withId(id: string): Uint8Array | null {
    const bytes = uuidBytes(id)
    const place = this.#ids.get(idMark(bytes))
    const entry = place === undefined ? null : this.entry(place.counter, place.n)
    return entry !== null && bytes.every((byte, at) => entry[at] === byte) ? entry : null
  }
}

/**
 * Which messages were seen, for ever: so that none is shown as new again, none in the place of another, and a gap in
 * what a device has sent is noticed. Some 32 bytes a message.
 */
export class SeenMessages {
  readonly #core: Pick<Core, 'store'>
  readonly #books = new LruMap<string, Promise<Book>>(16)

  constructor(core: Pick<Core, 'store'>) {
    this.#core = core
  }

  /**
   * See how a message fits what was seen before.
   *
   * @throws {ChatError} `untrusted`: `replayed-message` for one that stood elsewhere, or whose id or counter was
   *   another message's
   */
  async judge(counter: Counter, seen: SeenEntry): Promise<ReplayCheck> {
    const book = await this.#book(counter.conversationId)
    const name = counterName(counter)
    const entry = toEntry(seen)
    const before = book.entry(name, seen.n)
    const replayed = (why: string) =>
      untrusted('replayed-message', `A message was sent again as a new one: ${why}.`)
    if (before !== null) {
      if (!sameMessage(before, entry)) throw replayed('another one has its counter')
      if (positionOf(before) !== seen.position) throw replayed('it stood at another place')
      return { known: true, late: false }
    }
    if (book.withId(seen.id) !== null) throw replayed('its id was used before')
    const next = book.entry(name, seen.n + 1)
    const previous = book.entry(name, seen.n - 1)
    const late =
      (next !== null && positionOf(next) < seen.position) ||
      (previous !== null && positionOf(previous) > seen.position)
    return { known: false, late }
  }

  /** Where a message of this user's was stored; undefined if it is not remembered. */
  async positionOf(conversationId: string, id: string): Promise<number | undefined> {
    const entry = (await this.#book(conversationId)).withId(id)
    return entry === null ? undefined : positionOf(entry)
  }

  /** Look into the store again: another process may have written there. */
  forget(conversationId: string): void {
    this.#books.delete(conversationId)
  }

  /** Remember a message in memory, so that the next one is judged by it. `record` makes it last. */
  async note(counter: Counter, seen: SeenEntry): Promise<void> {
    const book = await this.#book(counter.conversationId)
    const name = counterName(counter)
    const number = pageOf(seen.n)
    book.enter(name, number, withEntry(book.pages.get(name)?.get(number), seen.n, toEntry(seen)))
  }

  /** Remember a message for ever. */
  async record(tx: StoreTransaction, counter: Counter, seen: SeenEntry): Promise<void> {
    await this.note(counter, seen)
    const name = `${counterName(counter)}/${pageOf(seen.n)}`
    tx.set(name, withEntry(await tx.get<Uint8Array>(name), seen.n, toEntry(seen)))
  }

  /** The counters between `first` and `last` that were not seen, as ranges. */
  async missing(counter: Counter, first: number, last: number): Promise<{ first: number; last: number }[]> {
    const book = await this.#book(counter.conversationId)
    const name = counterName(counter)
    const ranges: { first: number; last: number }[] = []
    for (let n = first; n <= last; n++) {
      const pages = book.pages.get(name)
      if (pages?.has(pageOf(n)) !== true) {
        // Nothing of this page was seen: go on at its end.
        const end = Math.min(last, (pageOf(n) + 1) * 64)
        extend(ranges, n, end)
        n = end
      } else if (book.entry(name, n) === null) extend(ranges, n, n)
    }
    return ranges
  }

  #book(conversationId: string): Promise<Book> {
    let book = this.#books.get(conversationId)
    if (book === undefined) {
      book = this.#load(conversationId)
      book.catch(() => this.#books.delete(conversationId))
      this.#books.set(conversationId, book)
    }
    return book
  }

  async #load(conversationId: string): Promise<Book> {
    const book = new Book()
    for (const [name, page] of await this.#core.store.list<Uint8Array>(`seen/${conversationId}/`)) {
      const slash = name.lastIndexOf('/')
      book.enter(name.slice(0, slash), Number(name.slice(slash + 1)), page)
    }
    return book
  }
}

function counterName({ conversationId, sessionKeyId, deviceId }: Counter): string {
  return `seen/${conversationId}/${sessionKeyId}/${deviceId}`
}

function extend(ranges: { first: number; last: number }[], first: number, last: number): void {
  const before = ranges.at(-1)
  if (before !== undefined && before.last === first - 1) before.last = last
  else ranges.push({ first, last })
}
