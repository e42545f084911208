import { equalBytes, uuidBytes } from '../../crypto/encoding.js'
import {
  entriesOf,
  entryAt,
  idMark,
  PAGE_SIZE,
  pageOf,
  positionOf,
  sameMessage,
  toEntry,
  withEntry,
  type SeenEntry
} from './seen-page.js'
import { LruMap } from '../stores/lru-map.js'
import type { Store, StoreTransaction } from '../stores/store.js'
import { untrusted } from '../errors.js'

/** Counts one device's messages under one session key. */
export interface CounterId {
  conversationId: string
  sessionKeyId: string
  deviceId: string
}

/** How a message that has passed all other checks relates to those seen before. */
export interface ReplayCheck {
  /** It was seen before, at the same position. */
  known: boolean
  /** The server put it after a message that its sender sent later, or before one that was sent earlier. */
  late: boolean
}

type Pages = Map<number, Uint8Array>

/** The messages seen in one conversation. */
class SeenIndex {
  readonly pages = new Map<string, Pages>()
  /** Message ids, shortened to 48 bits → where the message was seen. */
  readonly #ids = new Map<number, { counter: string; n: number }>()

  add(counter: string, number: number, page: Uint8Array): void {
    const pages = this.pages.get(counter) ?? new Map<number, Uint8Array>()
    this.pages.set(counter, pages.set(number, page))
    for (const [n, entry] of entriesOf(page, number)) this.#ids.set(idMark(entry), { counter, n })
  }

  entry(counter: string, n: number): Uint8Array | null {
    return n < 1 ? null : entryAt(this.pages.get(counter)?.get(pageOf(n)), n)
  }

  /** The entry of the message with this id, under any counter. */
  withId(id: string): Uint8Array | null {
    const bytes = uuidBytes(id)
    const place = this.#ids.get(idMark(bytes))
    const entry = place === undefined ? null : this.entry(place.counter, place.n)
    return entry !== null && bytes.every((byte, at) => entry[at] === byte) ? entry : null
  }
}

/**
 * Remembers for ever which messages were seen, so that a replayed, replaced or missing message is noticed.
 * Takes some 32 bytes a message.
 */
export class SeenMessages {
  readonly #store: Store
  readonly #indexes = new LruMap<string, Promise<SeenIndex>>(16)

  constructor(store: Store) {
    this.#store = store
  }

  /**
   * Compare a message with those seen before.
   *
   * @throws {ChatError} `replayed-message` (`untrusted`) if it was seen at another position, or if another
   *   message had its id or counter
   */
  async check(counter: CounterId, seen: SeenEntry): Promise<ReplayCheck> {
    const index = await this.#indexOf(counter.conversationId)
    const name = seenName(counter)
    const entry = toEntry(seen)
    const before = index.entry(name, seen.n)
    const replayed = (why: string) =>
      untrusted('replayed-message', `A message was sent again as a new one: ${why}.`)
    if (before !== null) {
      if (!sameMessage(before, entry)) throw replayed('another one has its counter')
      if (positionOf(before) !== seen.position) throw replayed('it stood at another place')
      return { known: true, late: false }
    }
    if (index.withId(seen.id) !== null) throw replayed('its id was used before')
    const next = index.entry(name, seen.n + 1)
    const previous = index.entry(name, seen.n - 1)
    const late =
      (next !== null && positionOf(next) < seen.position) ||
      (previous !== null && positionOf(previous) > seen.position)
    return { known: false, late }
  }

  /** The position of the message with this id; undefined if none was seen. */
  async positionOf(conversationId: string, id: string): Promise<number | undefined> {
    const entry = (await this.#indexOf(conversationId)).withId(id)
    return entry === null ? undefined : positionOf(entry)
  }

  /** Read the store again the next time: another process may have written there. */
  forget(conversationId: string): void {
    this.#indexes.delete(conversationId)
  }

  /** Remember a message in memory, so that the next one is compared with it. `record` makes it durable. */
  async note(counter: CounterId, seen: SeenEntry): Promise<void> {
    const index = await this.#indexOf(counter.conversationId)
    const name = seenName(counter)
    const number = pageOf(seen.n)
    index.add(name, number, withEntry(index.pages.get(name)?.get(number), seen.n, toEntry(seen)))
  }

  /** Remember a message for ever. Recording it again writes nothing. */
  async record(tx: StoreTransaction, counter: CounterId, seen: SeenEntry): Promise<void> {
    await this.note(counter, seen)
    const name = `${seenName(counter)}/${pageOf(seen.n)}`
    const page = await tx.get<Uint8Array>(name)
    const before = page === undefined ? null : entryAt(page, seen.n)
    const entry = toEntry(seen)
    if (before === null || !equalBytes(before, entry)) tx.set(name, withEntry(page, seen.n, entry))
  }

  /** Forget everything that is held in memory. */
  clear(): void {
    this.#indexes.clear()
  }

  /** The ranges of `first` to `last` that were not seen. */
  async missing(counter: CounterId, first: number, last: number): Promise<{ first: number; last: number }[]> {
    const index = await this.#indexOf(counter.conversationId)
    const name = seenName(counter)
    const ranges: { first: number; last: number }[] = []
    for (let n = first; n <= last; n++) {
      const pages = index.pages.get(name)
      if (pages?.has(pageOf(n)) !== true) {
        // Nothing on this page was seen: go on after it.
        const end = Math.min(last, (pageOf(n) + 1) * PAGE_SIZE)
        extend(ranges, n, end)
        n = end
      } else if (index.entry(name, n) === null) extend(ranges, n, n)
    }
    return ranges
  }

  #indexOf(conversationId: string): Promise<SeenIndex> {
    let index = this.#indexes.get(conversationId)
    if (index === undefined) {
      index = this.#load(conversationId)
      index.catch(() => this.#indexes.delete(conversationId))
      this.#indexes.set(conversationId, index)
    }
    return index
  }

  async #load(conversationId: string): Promise<SeenIndex> {
    const index = new SeenIndex()
    for (const [name, page] of await this.#store.list<Uint8Array>(`seen/${conversationId}/`)) {
      const slash = name.lastIndexOf('/')
      index.add(name.slice(0, slash), Number(name.slice(slash + 1)), page)
    }
    return index
  }
}

function seenName({ conversationId, sessionKeyId, deviceId }: CounterId): string {
  return `seen/${conversationId}/${sessionKeyId}/${deviceId}`
}

function extend(ranges: { first: number; last: number }[], first: number, last: number): void {
  const before = ranges.at(-1)
  if (before !== undefined && before.last === first - 1) before.last = last
  else ranges.push({ first, last })
}
