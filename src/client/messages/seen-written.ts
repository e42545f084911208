import type { StoreReader, StoreTransaction } from '../stores/store.js'

/** Pages that are told one by one. A process that has missed more reads all of them again. */
const MAX_PAGES = 8

/** The number of a write in a conversation, and the process that made it. */
type Write = { count: number; by: string }

/** The newest write, and which pages were written last, with the number of each write. */
export type Written = Write & { pages: { name: string; at: number }[]; lost: number }

/** Tells what other processes have written to a conversation's pages since they were read. */
export class WrittenPages {
  readonly #by: string
  #known: Write
  /** The newest one of this process, which has nobody else's between it and the known one. It may be undone. */
  #own: Write | undefined

  /** @param known when the pages were read */
  constructor(by: string, known: Write) {
    this.#by = by
    this.#known = known
  }

  /** The pages that others may have written; undefined if it may be any. */
  unread(written: Written): string[] | undefined {
    if (this.#isKnown(written)) return []
    const { count } = this.#known
    if (written.lost > count || written.count <= count) return undefined
    return written.pages.filter(({ at }) => at > count).map(({ name }) => name)
  }

  /** All that was written by then is in memory. */
  hasRead({ count, by }: Write): void {
    this.#known = { count, by }
  }

  /** Call it in the transaction that writes a page. */
  async note(tx: StoreTransaction, conversationId: string, name: string): Promise<void> {
    const written = await readWritten(tx, conversationId)
    const write = { count: written.count + 1, by: this.#by }
    this.#own = this.#isKnown(written) ? write : undefined
    const pages = written.pages.filter((page) => page.name !== name)
    const lost = pages.length < MAX_PAGES ? written.lost : pages.shift()!.at
    const next = { ...write, lost, pages: [...pages, { name, at: write.count }] }
    tx.set(recordName(conversationId), next satisfies Written)
  }

  #isKnown(written: Write): boolean {
    return [this.#known, this.#own].some((one) => one?.count === written.count && one.by === written.by)
  }
}

export async function readWritten(store: StoreReader, conversationId: string): Promise<Written> {
  const written = await store.get<Written>(recordName(conversationId))
  return written ?? { count: 0, by: '', pages: [], lost: 0 }
}

function recordName(conversationId: string): string {
  return `seen-written/${conversationId}`
}
