import type { StoreReader, Value } from '../store.js'
import type { ReadonlySortedMap } from '../sorted-map.js'
import { decodeValue, type Json } from './values.js'

/** Reads values from the entries of a file. */
export class EntriesReader implements StoreReader {
  readonly #entries: ReadonlySortedMap<Json>

  constructor(entries: ReadonlySortedMap<Json>) {
    this.#entries = entries
  }

  async get<T extends Value = Value>(name: string): Promise<T | undefined> {
    const json = this.#entries.get(name)
    return json === undefined ? undefined : ((await decodeValue(json)) as T)
  }

  list<T extends Value = Value>(prefix: string, after?: string, limit?: number): Promise<[string, T][]> {
    const decode = async ([name, json]: [string, Json]): Promise<[string, T]> => [
      name,
      (await decodeValue(json)) as T
    ]
    return Promise.all(this.#entries.under(prefix, after, limit).map(decode))
  }
}
