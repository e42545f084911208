import { equalBytes, uuidBytes } from '../../crypto/encoding.js'
import {
  entriesOf,
  entryAt,
  idOf,
  isDeparted,
  PAGE_SIZE,
  pageOf,
  positionOf,
  sameMessage,
  toEntry,
  withEntry,
  type SeenEntry
} from './seen-page.js'
import { Turns } from '../../crypto/turns.js'
import { LruMap } from '../stores/lru-map.js'
import type { Store, StoreTransaction } from '../stores/store.js'
import { untrusted } from '../errors.js'

/** Counts one device's messages under one session key. */
export interface CounterId {
  conversationId: string
  /** Hash of the `conversation-key` statement. */
  key: string
  signingKey: string
}

/** How a message that has passed all other checks relates to those seen before. */
export interface ReplayCheck {
  /** It was seen before, at the same position. */
  known: boolean
  /** Its sender had gone already when it was read for the first time. */
  departed: boolean
  /** It stands behind a message that its sender sent later. */
  late: boolean
  /** It is late, or stands before one that was sent earlier. */
  isMoved: boolean
}

type Pages = Map<number, Uint8Array>

/** The messages seen in one conversation. */
class SeenIndex {
  readonly pages = new Map<string, Pages>()
  /** Sender and message id → where the message was seen. An id belongs to its sender. */
  readonly #ids = new Map<string, { counter: string; n: number }>()

  add(counter: string, number: number, page: Uint8Array): void {
    const pages = this.pages.get(counter) ?? new Map<number, Uint8Array>()
    this.pages.set(counter, pages.set(number, page))
    const sender = senderOf(counter)
    for (const [n, entry] of entriesOf(page, number))
      this.#ids.set(`${sender}/${idOf(entry)}`, { counter, n })
  }

  entry(counter: string, n: number): Uint8Array | null {
    return n < 1 ? null : entryAt(this.pages.get(counter)?.get(pageOf(n)), n)
  }

  /** The entry that was seen next above `n`, or next below it. */
  nearest(counter: string, n: number, step: 1 | -1): Uint8Array | null {
    const pages = this.pages.get(counter) ?? new Map<number, Uint8Array>()
    const own = pageOf(n)
    let next: number | undefined
    for (const number of pages.keys())
      if ((number - own) * step > 0 && (next === undefined || (next - number) * step > 0)) next = number
    for (const number of next === undefined ? [own] : [own, next]) {
      const entries = [...entriesOf(pages.get(number) ?? new Uint8Array(), number)]
      const found =
        step === 1 ? entries.find(([other]) => other > n) : entries.findLast(([other]) => other < n)
      if (found !== undefined) return found[1]
    }
    return null
  }

  /** The entry of the sender's message with this id, under any session key. */
  withId(signingKey: string, id: string): Uint8Array | null {
    const place = this.#ids.get(`${signingKey}/${idOf(uuidBytes(id))}`)
    return place === undefined ? null : this.entry(place.counter, place.n)
  }

  /** The largest counter that was seen; 0 if none was. */
  highest(counter: string): number {
    const pages = this.pages.get(counter)
    if (pages === undefined) return 0
    const last = Math.max(...pages.keys())
    return Math.max(0, ...[...entriesOf(pages.get(last)!, last)].map(([n]) => n))
  }
}

/**
 * Remembers for ever which messages were seen, so that a replayed, replaced or missing message is noticed.
 * Takes some 40 bytes a message.
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
    } else if (index.withId(counter.signingKey, seen.id) !== null) throw replayed('its id was used before')
    const next = index.nearest(name, seen.n, 1)
    const previous = index.nearest(name, seen.n, -1)
    const late = next !== null && positionOf(next) < seen.position
    const isMoved = late || (previous !== null && positionOf(previous) > seen.position)
    const departed = before === null ? seen.departed : isDeparted(before)
    return { known: before !== null, departed, late, isMoved }
  }

  /** The position of a device's message with this id; undefined if none was seen. */
  async positionOf(conversationId: string, signingKey: string, id: string): Promise<number | undefined> {
    const entry = (await this.#indexOf(conversationId)).withId(signingKey, id)
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

  /** Remember a message for ever. Recording it again writes nothing. @returns whether it was new */
  async record(tx: StoreTransaction, counter: CounterId, seen: SeenEntry): Promise<boolean> {
    await this.note(counter, seen)
    const name = `${seenName(counter)}/${pageOf(seen.n)}`
    const page = await tx.get<Uint8Array>(name)
    const before = page === undefined ? null : entryAt(page, seen.n)
    const entry = toEntry(seen)
    if (before === null || !equalBytes(before, entry)) tx.set(name, withEntry(page, seen.n, entry))
    return before === null
  }

  /** Whether the message of a device that was seen with this id has this digest. */
  async isDigest(conversationId: string, signingKey: string, id: string, digest: string): Promise<boolean> {
    const entry = (await this.#indexOf(conversationId)).withId(signingKey, id)
    return entry !== null && sameMessage(entry, toEntry({ n: 1, id, digest, position: 0, departed: false }))
  }

  /** The largest counter that was seen of a device under a session key; 0 if none was. */
  async highest(counter: CounterId): Promise<number> {
    return (await this.#indexOf(counter.conversationId)).highest(seenName(counter))
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
    const turns = new Turns()
    for (let n = first; n <= last; n++) {
      if (n % PAGE_SIZE === 0) await turns.next()
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
    const turns = new Turns()
    for (const [name, page] of await this.#store.list<Uint8Array>(`seen/${conversationId}/`)) {
      const slash = name.lastIndexOf('/')
      index.add(name.slice(0, slash), Number(name.slice(slash + 1)), page)
      await turns.next()
    }
    return index
  }
}

function seenName({ conversationId, key, signingKey }: CounterId): string {
  return `seen/${conversationId}/${key}/${signingKey}`
}

function extend(ranges: { first: number; last: number }[], first: number, last: number): void {
  const before = ranges.at(-1)
  if (before !== undefined && before.last === first - 1) before.last = last
  else ranges.push({ first, last })
}

function senderOf(counter: string): string {
  return counter.slice(counter.lastIndexOf('/') + 1)
}
