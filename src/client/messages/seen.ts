import { equalBytes } from '../../crypto/encoding.js'
import {
  entriesOf,
  entryAt,
  extend,
  isDeparted,
  PAGE_SIZE,
  pageOf,
  positionOf,
  sameMessage,
  toEntry,
  withEntry,
  type SeenEntry
} from './seen-page.js'
import { SeenIndex } from './seen-index.js'
import { NotedMessages } from './seen-noted.js'
import { readWritten, WrittenPages } from './seen-written.js'
import { Turns } from '../../crypto/turns.js'
import { LruMap } from '../stores/lru-map.js'
import type { Store, StoreTransaction } from '../stores/store.js'
import { replayed } from '../errors.js'

/** Read from the store at once: they take a few milliseconds. */
const PAGES_AT_ONCE = 256

/** A conversation's pages in memory, and what of them other processes have written since. */
interface Loaded {
  index: SeenIndex
  written: WrittenPages
}

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
  /** It is written down: no more has to be done about it. */
  isWritten: boolean
  /** Its sender had gone already when it was read for the first time. */
  departed: boolean
  /** It stands behind a message that its sender sent later. */
  late: boolean
  /** It is late, or stands before one that was sent earlier. */
  isMoved: boolean
}

/** Remembers for ever which messages were seen, to notice those that are replayed, replaced or missing: 40 bytes each. */
export class SeenMessages {
  readonly #store: Store
  readonly #indexes = new LruMap<string, Promise<Loaded>>(16)
  readonly #noted = new NotedMessages()
  /** Names this process among those that write to the store. */
  readonly #process = crypto.randomUUID()

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
    if (before !== null) {
      if (!sameMessage(before, entry)) throw replayed('another one has its counter')
      if (positionOf(before) !== seen.position) throw replayed('it stood at another place')
    } else if (index.withId(counter.signingKey, seen.id) !== null) throw replayed('its id was used before')
    const nearest = (step: 1 | -1) => (seen.isVoid === true ? null : index.nearest(name, seen.n, step))
    const [next, previous] = [nearest(1), nearest(-1)]
    const late = next !== null && positionOf(next) < seen.position
    const isMoved = late || (previous !== null && positionOf(previous) > seen.position)
    const departed = before === null ? seen.departed : isDeparted(before)
    const isWritten = before !== null && (await this.#isWritten(counter, seen.n))
    return { known: before !== null, isWritten, departed, late, isMoved }
  }

  /** The position of a device's message with this id; undefined if none was seen. */
  async positionOf(conversationId: string, signingKey: string, id: string): Promise<number | undefined> {
    const entry = (await this.#indexOf(conversationId)).withId(signingKey, id)
    return entry === null ? undefined : positionOf(entry)
  }

  /** Remember a message in memory, so that the next one is compared with it. `record` makes it durable. */
  async note(counter: CounterId, seen: SeenEntry): Promise<void> {
    const entry = toEntry(seen)
    this.#noted.add(pageName(counter, seen.n), seen.n, entry)
    await this.#put(counter, seen.n, entry)
  }

  /**
   * Remember a message for ever. Only the first time counts, in whichever process.
   *
   * @returns whether it was new; `elsewhere` if another process has read it at another place meanwhile, or
   *   another one in its place
   */
  async record(
    tx: StoreTransaction,
    counter: CounterId,
    seen: SeenEntry
  ): Promise<'new' | 'known' | 'elsewhere'> {
    const name = pageName(counter, seen.n)
    const page = await tx.get<Uint8Array>(name)
    const before = page === undefined ? null : entryAt(page, seen.n)
    const entry = toEntry(seen)
    await this.#put(counter, seen.n, before ?? entry)
    this.#noted.delete(name, seen.n)
    if (before === null) {
      tx.set(name, withEntry(page, seen.n, entry))
      const { written } = await this.#loaded(counter.conversationId)
      await written.note(tx, counter.conversationId, name)
    } else if (!sameMessage(before, entry) || positionOf(before) !== seen.position) return 'elsewhere'
    return before === null ? 'new' : 'known'
  }

  /** Whether the message of a device that was seen with this id has this digest. */
  async isDigest(conversationId: string, signingKey: string, id: string, digest: string): Promise<boolean> {
    const entry = (await this.#indexOf(conversationId)).withId(signingKey, id)
    return entry !== null && sameMessage(entry, toEntry({ n: 1, id, digest, position: 0, departed: false }))
  }

  /** Whether this very message was seen at this place. */
  async isSeen(counter: CounterId, seen: SeenEntry): Promise<boolean> {
    const entry = (await this.#indexOf(counter.conversationId)).entry(seenName(counter), seen.n)
    return entry !== null && sameMessage(entry, toEntry(seen)) && positionOf(entry) === seen.position
  }

  /** The position of the nearest smaller number that was seen and not given up; undefined if none is nearby. */
  async placeBefore(counter: CounterId, n: number): Promise<number | undefined> {
    const entry = (await this.#indexOf(counter.conversationId)).nearest(seenName(counter), n, -1)
    return entry === null ? undefined : positionOf(entry)
  }

  /** The largest counter that was seen of a device under a session key; 0 if none was. */
  async highest(counter: CounterId): Promise<number> {
    return (await this.#indexOf(counter.conversationId)).highest(seenName(counter))
  }

  /** Forget everything that is held in memory. */
  clear(): void {
    this.#indexes.clear()
    this.#noted.clear()
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

  async #isWritten(counter: CounterId, n: number): Promise<boolean> {
    return entryAt(await this.#store.get<Uint8Array>(pageName(counter, n)), n) !== null
  }

  async #put(counter: CounterId, n: number, entry: Uint8Array): Promise<void> {
    const { index } = await this.#loaded(counter.conversationId)
    const name = seenName(counter)
    index.add(name, pageOf(n), withEntry(index.pages.get(name)?.get(pageOf(n)), n, entry))
  }

  /** The index, with all that other processes have written. */
  async #indexOf(conversationId: string): Promise<SeenIndex> {
    const { index, written } = await this.#loaded(conversationId)
    const newest = await readWritten(this.#store, conversationId)
    const names = written.unread(newest)
    if (names === undefined) await this.#readPages(index, conversationId)
    for (const name of names ?? []) addPage(index, name, await this.#store.get<Uint8Array>(name))
    written.hasRead(newest)
    return index
  }

  #loaded(conversationId: string): Promise<Loaded> {
    let loaded = this.#indexes.get(conversationId)
    if (loaded === undefined) {
      loaded = this.#load(conversationId)
      loaded.catch(() => this.#indexes.delete(conversationId))
      this.#indexes.set(conversationId, loaded)
    }
    return loaded
  }

  async #load(conversationId: string): Promise<Loaded> {
    const index = new SeenIndex()
    const written = new WrittenPages(this.#process, await readWritten(this.#store, conversationId))
    await this.#readPages(index, conversationId)
    for (const [name, page] of this.#noted.pages(`seen/${conversationId}/`)) addPage(index, name, page)
    return { index, written }
  }

  async #readPages(index: SeenIndex, conversationId: string): Promise<void> {
    const turns = new Turns()
    const prefix = `seen/${conversationId}/`
    for (let after = ''; ;) {
      const some = await this.#store.listAfter?.<Uint8Array>(prefix, after, PAGES_AT_ONCE)
      for (const [name, page] of some ?? (await this.#store.list<Uint8Array>(prefix))) {
        addPage(index, name, page)
        await turns.next()
      }
      if (some === undefined || some.length < PAGES_AT_ONCE) return
      after = some.at(-1)![0]
    }
  }
}

/** Add what is stored of a page to what is in memory: some of that may not be written down yet. */
function addPage(index: SeenIndex, name: string, stored: Uint8Array | undefined): void {
  const slash = name.lastIndexOf('/')
  const [counter, number] = [name.slice(0, slash), Number(name.slice(slash + 1))]
  let page = index.pages.get(counter)?.get(number)
  if (stored === undefined || (page !== undefined && equalBytes(page, stored))) return
  if (page === undefined) return index.add(counter, number, stored)
  for (const [n, entry] of entriesOf(stored, number))
    if (entryAt(page, n) === null) page = withEntry(page, n, entry)
  index.add(counter, number, page)
}

function pageName(counter: CounterId, n: number): string {
  return `${seenName(counter)}/${pageOf(n)}`
}

function seenName({ conversationId, key, signingKey }: CounterId): string {
  return `seen/${conversationId}/${key}/${signingKey}`
}
