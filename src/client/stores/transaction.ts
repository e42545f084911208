import type { StoreReader, StoreTransaction, Value } from './store.js'
import { copyValue } from './values.js'

/** The changes of a transaction, by name; undefined means deleted. */
export type Changes = ReadonlyMap<string, Value | undefined>

/**
 * Run `work` on `committed`, collect its changes, and pass copies of them to `commit`, if there are any. The
 * caller has to see to it that nobody else commits meanwhile.
 */
export async function transact<T>(
  committed: StoreReader,
  work: (transaction: StoreTransaction) => T | Promise<T>,
  commit: (changes: Changes) => void | Promise<void>
): Promise<T> {
  const changes = new Map<string, Value | undefined>()
  const transaction = new BufferedTransaction(committed, changes)
  try {
    const result = await work(transaction)
    transaction.end()
    if (changes.size > 0) await commit(changes)
    return result
  } finally {
    transaction.end()
  }
}

export function applyChanges<T>(entries: Map<string, T>, changes: ReadonlyMap<string, T | undefined>): void {
  for (const [name, value] of changes) {
    if (value === undefined) entries.delete(name)
    else entries.set(name, value)
  }
}

/** Entries whose names begin with `prefix`, sorted by name. */
export function entriesUnder<T>(entries: Iterable<[string, T]>, prefix: string): [string, T][] {
  return [...entries].filter(([name]) => name.startsWith(prefix)).sort(([a], [b]) => (a < b ? -1 : 1))
}

class BufferedTransaction implements StoreTransaction {
  readonly #committed: StoreReader
  readonly #changes: Map<string, Value | undefined>
  #ended = false

  constructor(committed: StoreReader, changes: Map<string, Value | undefined>) {
    this.#committed = committed
    this.#changes = changes
  }

  async get<T extends Value = Value>(name: string): Promise<T | undefined> {
    this.#requireOpen()
    if (!this.#changes.has(name)) return this.#committed.get<T>(name)
    const value = this.#changes.get(name)
    return value === undefined ? undefined : (copyValue(value) as T)
  }

  async list<T extends Value = Value>(prefix: string): Promise<[string, T][]> {
    this.#requireOpen()
    const entries = new Map<string, Value>(await this.#committed.list(prefix))
    applyChanges(entries, this.#changes)
    return entriesUnder(entries, prefix).map(([name, value]) => [name, copyValue(value) as T])
  }

  set(name: string, value: Value): void {
    this.#requireOpen()
    this.#changes.set(name, copyValue(value))
  }

  delete(name: string): void {
    this.#requireOpen()
    this.#changes.set(name, undefined)
  }

  end(): void {
    this.#ended = true
  }

  #requireOpen(): void {
    if (this.#ended)
      throw new TypeError('This transaction has ended: `update` waits for the promise of its work only.')
  }
}
