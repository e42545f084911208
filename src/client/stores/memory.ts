import type { Store, StoreTransaction, Value } from './store.js'
import { SortedMap } from './sorted-map.js'
import { applyChanges, transact } from './transaction.js'
import { copyValue } from './values.js'
import { Mutex } from './mutex.js'

/**
 * A store in memory, for tests and for devices that are used once. Closing it does nothing, so that another
 * client can use it afterwards.
 */
export class MemoryStore implements Store {
  readonly extractableKeys = false
  readonly #entries = new SortedMap<Value>()
  readonly #mutex = new Mutex()

  async get<T extends Value = Value>(name: string): Promise<T | undefined> {
    const value = this.#entries.get(name)
    return value === undefined ? undefined : (copyValue(value) as T)
  }

  async list<T extends Value = Value>(prefix: string): Promise<[string, T][]> {
    return this.#entries.under(prefix).map(([name, value]) => [name, copyValue(value) as T])
  }

  async listAfter<T extends Value = Value>(
    prefix: string,
    after: string,
    limit: number
  ): Promise<[string, T][]> {
    return this.#entries.under(prefix, after, limit).map(([name, value]) => [name, copyValue(value) as T])
  }

  update<T>(work: (transaction: StoreTransaction) => T | Promise<T>): Promise<T> {
    return this.#mutex.runExclusive(() =>
      transact(this, work, (changes) => applyChanges(this.#entries, changes))
    )
  }

  async close(): Promise<void> {}
}
