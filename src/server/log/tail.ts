import type { Static } from 'typebox'
import type { MessageDeletedEvent } from '../../protocol/events.js'
import type { Database } from '../db/database.js'
import type { Logger } from '../logger.js'
import type { Entry } from './entry.js'
import { readAll } from './read.js'

/** The entries that a reader has missed, up to the live end of the log. */
export interface MissedEntries {
  /** In order, as far as they concern the reader. */
  entries: Entry[]
  /** The reader's conversations after the last of them. */
  conversations: ReadonlySet<string>
  /** The reader now has everything up to this position. */
  through: number
}

const PAGE = 500
const RING_ENTRIES = 4096
const RING_BYTES = 16 * 2 ** 20

/**
 * The live end of the log, one per process: sees every event once and in order, and keeps the newest in a
 * ring. A reader that has read pages up to some position continues without a seam: the ring holds what came
 * since, and the next entries go to the listeners.
 */
export class Tail {
  readonly #prepared: Database['prepared']
  readonly #logger: Logger
  readonly #logFailure: Database['logFailure']
  readonly #listeners: ((entries: readonly Entry[]) => void)[] = []
  /** Dense: `#ring[i].position === #ring[0].position + i`, and its last entry is at `#head`. */
  #ring: Entry[] = []
  #ringBytes = 0
  /** Position of the newest event that this process has seen. */
  #head: number
  #looking: Promise<void> | null = null
  #lookAgain = false
  readonly #timer: NodeJS.Timeout

  constructor(options: {
    database: Pick<Database, 'prepared' | 'logFailure'>
    logger: Logger
    head: number
    pollInterval: number
  }) {
    this.#prepared = options.database.prepared
    this.#logFailure = options.database.logFailure
    this.#logger = options.logger
    this.#head = options.head
    this.#timer = setInterval(() => void this.look(), options.pollInterval)
    this.#timer.unref()
  }

  /**
   * Call `listener` with all new entries, in order. Listeners are called in the order in which they were
   * added.
   */
  listen(listener: (entries: readonly Entry[]) => void): void {
    this.#listeners.push(listener)
  }

  /**
   * Take entries that this process has just committed. Entries of others that come before them are read
   * first.
   */
  offer(entries: readonly Entry[]): void {
    if (entries[0]!.position === this.#head + 1) this.#apply(entries)
    else void this.look()
  }

  /**
   * Read what is new. Resolves when everything committed before the call has been read, or when reading
   * failed.
   */
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
        const page = await readAll(this.#prepared, this.#head, PAGE)
        // Own commits may have been offered while the page was being read.
        const fresh = page.filter((entry) => entry.position > this.#head)
        if (fresh.length > 0) this.#apply(fresh)
        if (page.length === PAGE) this.#lookAgain = true
      } while (this.#lookAgain)
    } catch (error) {
      this.#logFailure(error, 'the log could not be read; trying again')
    } finally {
      this.#looking = null
    }
  }

  /**
   * The entries after `position` that concern a user.
   *
   * @param conversations the user's, at `position`
   * @returns null if the ring does not reach back that far
   */
  since(userId: string, position: number, conversations: readonly string[]): MissedEntries | null {
    const entries: Entry[] = []
    const current = new Set(conversations)
    if (position < this.#head) {
      const oldest = this.#head - this.#ring.length + 1
      if (position + 1 < oldest) return null
      for (const entry of this.#ring.slice(position + 1 - oldest)) {
        if (entry.joined.includes(userId)) current.add(entry.conversationId!)
        if (concerns(entry, userId, current)) entries.push(entry)
        if (entry.left.includes(userId)) current.delete(entry.conversationId!)
      }
    }
    return { entries, conversations: current, through: Math.max(position, this.#head) }
  }

  stop(): void {
    clearInterval(this.#timer)
  }

  #apply(entries: readonly Entry[]): void {
    this.#remember(entries)
    for (const listener of this.#listeners) listener(entries)
  }

  /** A message was deleted: who comes late is not shown it from memory either. */
  #forget(deletion: Entry): void {
    const position = deletedPosition(deletion)
    const at = position - (this.#ring[0]?.position ?? 0)
    const message = this.#ring[at]
    if (message?.position !== position) return
    this.#ringBytes -= message.size
    const json = deletion.json().replace(/^\{"position":\d+/, `{"position":${position}`)
    this.#ring[at] = { ...deletion, position, json: () => json }
    this.#ringBytes += deletion.size
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
      if (entry.type === 'message.deleted') this.#forget(entry)
      this.#ring.push(entry)
      this.#ringBytes += entry.size
    }
    if (this.#ring.length <= 2 * RING_ENTRIES && this.#ringBytes <= 2 * RING_BYTES) return
    // Cut in half, so that many entries share the cost of moving the array.
    let keepFrom = Math.max(0, this.#ring.length - RING_ENTRIES)
    let bytes = this.#ring.slice(keepFrom).reduce((sum, { size }) => sum + size, 0)
    while (bytes > RING_BYTES) bytes -= this.#ring[keepFrom++]!.size
    this.#ring = this.#ring.slice(keepFrom)
    this.#ringBytes = bytes
  }
}

function deletedPosition(deletion: Entry): number {
  return (JSON.parse(deletion.json()) as Static<typeof MessageDeletedEvent>).message.position
}

function concerns(entry: Entry, userId: string, conversations: ReadonlySet<string>): boolean {
  return entry.conversationId === null
    ? entry.recipients.includes(userId)
    : conversations.has(entry.conversationId)
}
