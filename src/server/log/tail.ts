import type { Database } from '../db/database.js'
import type { Logger } from '../logger.js'
import type { Entry } from './entry.js'
import { readAll } from './read.js'

/** Somebody who has read the log up to `through` and takes what comes after it. */
export interface Subscriber {
  readonly userId: string
  /** Entries up to this position are not delivered. Set by the tail. */
  through: number
  /** Take new entries, in order; called once per turn of the tail. */
  deliver: (entries: readonly Entry[]) => void
}

/** A user with subscribers here. Arrays, since there are thousands of readers and mostly one subscriber each. */
interface Reader {
  /** Replaced and never changed, so that it may be walked through while one leaves. */
  subscribers: readonly Subscriber[]
  readonly conversations: Conversation[]
}

interface Conversation {
  readonly id: string
  readonly readers: Set<Reader>
}

const PAGE = 500
const RING_ENTRIES = 4096
const RING_BYTES = 16 * 2 ** 20

/**
 * The live end of the log, one per process: sees every event once and in order, keeps the newest in a ring, and
 * knows for each conversation which of its members have subscribers here. A subscriber that has read the log up
 * to `through` joins without a seam, since the ring holds what came since.
 */
export class Tail {
  readonly #hot: Database['prepared']
  readonly #logger: Logger
  readonly #watchers: ((entry: Entry) => void)[] = []
  readonly #readers = new Map<string, Reader>()
  /** Those with readers here. */
  readonly #conversations = new Map<string, Conversation>()
  /** Dense: `#ring[i].position === #ring[0].position + i`, and its last entry is at `#head`. */
  #ring: Entry[] = []
  #ringBytes = 0
  #head: number
  #looking: Promise<void> | null = null
  #lookAgain = false
  readonly #timer: NodeJS.Timeout

  constructor(options: { hot: Database['prepared']; logger: Logger; head: number; pollInterval: number }) {
    this.#hot = options.hot
    this.#logger = options.logger
    this.#head = options.head
    this.#timer = setInterval(() => void this.look(), options.pollInterval)
    this.#timer.unref()
  }

  /** Position of the newest event that this process has seen. */
  get head(): number {
    return this.#head
  }

  /** Have every entry passed to `watcher`, before its subscribers get it. */
  watch(watcher: (entry: Entry) => void): void {
    this.#watchers.push(watcher)
  }

  /** Take entries that this process has just committed; what others wrote in between is read first. */
  offer(entries: readonly Entry[]): void {
    if (entries[0]!.position === this.#head + 1) this.#apply(entries)
    else void this.look()
  }

  /** Read what is new. Resolves when everything committed before the call has been seen, or reading failed. */
  look(): Promise<void> {
    if (this.#looking !== null) {
      this.#lookAgain = true
      return this.#looking
    }
    this.#looking = this.#read()
    return this.#looking
  }

  async #read(): Promise<void> {
    try {
      do {
        this.#lookAgain = false
        const page = await readAll(this.#hot, this.#head, PAGE)
        // Own commits may have been offered while the page was on its way.
        const fresh = page.filter((entry) => entry.position > this.#head)
        if (fresh.length > 0) this.#apply(fresh)
        if (page.length === PAGE) this.#lookAgain = true
      } while (this.#lookAgain)
    } catch (error) {
      this.#logger.warn({ err: error }, 'the log could not be read; trying again')
    } finally {
      this.#looking = null
    }
  }

  /**
   * Join a subscriber that has read up to `through`, where its user is in `conversations`.
   *
   * @returns what came since and concerns him, to be taken before anything is delivered; null if the ring does
   *   not reach back that far: read another page and try again
   */
  attach(subscriber: Subscriber, through: number, conversations: readonly string[]): Entry[] | null {
    const since: Entry[] = []
    const current = new Set(conversations)
    if (through < this.#head) {
      const oldest = this.#head - this.#ring.length + 1
      if (through + 1 < oldest) return null
      for (const entry of this.#ring.slice(through + 1 - oldest)) {
        if (entry.joined.includes(subscriber.userId)) current.add(entry.conversationId!)
        if (concerns(entry, subscriber.userId, current)) since.push(entry)
        if (entry.left.includes(subscriber.userId)) current.delete(entry.conversationId!)
      }
    }
    let reader = this.#readers.get(subscriber.userId)
    if (reader === undefined) {
      reader = { subscribers: [], conversations: Array.from(current, (id) => this.#conversation(id)) }
      this.#readers.set(subscriber.userId, reader)
      for (const { readers } of reader.conversations) readers.add(reader)
    }
    subscriber.through = Math.max(through, this.#head)
    reader.subscribers = reader.subscribers.concat(subscriber)
    return since
  }

  detach(subscriber: Subscriber): void {
    const reader = this.#readers.get(subscriber.userId)
    if (reader === undefined) return
    reader.subscribers = reader.subscribers.filter((other) => other !== subscriber)
    if (reader.subscribers.length > 0) return
    for (const conversation of reader.conversations) this.#remove(conversation, reader)
    this.#readers.delete(subscriber.userId)
  }

  /** The subscribers here whose users are in any of the conversations. */
  subscribersIn(conversations: Iterable<string>): Set<Subscriber> {
    const found = new Set<Subscriber>()
    for (const conversation of conversations)
      for (const reader of this.#conversations.get(conversation)?.readers ?? [])
        for (const subscriber of reader.subscribers) found.add(subscriber)
    return found
  }

  stop(): void {
    clearInterval(this.#timer)
  }

  #conversation(id: string): Conversation {
    let conversation = this.#conversations.get(id)
    if (conversation === undefined) this.#conversations.set(id, (conversation = { id, readers: new Set() }))
    return conversation
  }

  #join(reader: Reader, id: string): void {
    const conversation = this.#conversation(id)
    if (conversation.readers.has(reader)) return
    conversation.readers.add(reader)
    reader.conversations.push(conversation)
  }

  #leave(reader: Reader, id: string): void {
    const at = reader.conversations.findIndex((conversation) => conversation.id === id)
    if (at >= 0) this.#remove(reader.conversations.splice(at, 1)[0]!, reader)
  }

  #remove({ id, readers }: Conversation, reader: Reader): void {
    readers.delete(reader)
    if (readers.size === 0) this.#conversations.delete(id)
  }

  #apply(entries: readonly Entry[]): void {
    this.#remember(entries)
    const due = new Map<Subscriber, Entry[]>()
    const give = (reader: Reader, entry: Entry) => {
      for (const subscriber of reader.subscribers) {
        if (entry.position <= subscriber.through) continue
        const entriesDue = due.get(subscriber)
        if (entriesDue === undefined) due.set(subscriber, [entry])
        else entriesDue.push(entry)
      }
    }
    const known = (users: readonly string[]) => users.flatMap((user) => this.#readers.get(user) ?? [])

    for (const entry of entries) {
      for (const watcher of this.#watchers) watcher(entry)
      for (const reader of known(entry.joined)) this.#join(reader, entry.conversationId!)
      const readers =
        entry.conversationId === null
          ? known(entry.recipients)
          : this.#conversations.get(entry.conversationId)?.readers
      for (const reader of readers ?? []) give(reader, entry)
      for (const reader of known(entry.left)) this.#leave(reader, entry.conversationId!)
    }
    for (const [subscriber, entriesDue] of due) {
      subscriber.through = entriesDue.at(-1)!.position
      subscriber.deliver(entriesDue)
    }
  }

  #remember(entries: readonly Entry[]): void {
    const first = entries[0]!.position
    if (first !== this.#head + 1) {
      this.#logger.warn({ head: this.#head, next: first }, 'events were removed before they were read')
      this.#ring = []
      this.#ringBytes = 0
    }
    this.#head = entries.at(-1)!.position
    for (const entry of entries) {
      this.#ring.push(entry)
      this.#ringBytes += entry.size
    }
    if (this.#ring.length <= 2 * RING_ENTRIES && this.#ringBytes <= 2 * RING_BYTES) return
    // Cut to half at a time, so that the cost of moving the array is shared by many entries.
    let keepFrom = Math.max(0, this.#ring.length - RING_ENTRIES)
    let bytes = this.#ring.slice(keepFrom).reduce((sum, { size }) => sum + size, 0)
    while (bytes > RING_BYTES) bytes -= this.#ring[keepFrom++]!.size
    this.#ring = this.#ring.slice(keepFrom)
    this.#ringBytes = bytes
  }
}

function concerns(entry: Entry, userId: string, conversations: ReadonlySet<string>): boolean {
  return entry.conversationId === null
    ? entry.recipients.includes(userId)
    : conversations.has(entry.conversationId)
}
