import { ChatError } from '../../errors.js'
import type { StoreReader, Value } from '../store.js'
import type { Changes } from '../transaction.js'

/** The one object store of a database: names to values. */
const ENTRIES = 'entries'

/**
 * Open a database of entries; make it if there is none.
 *
 * @param onLost called when it has gone: another tab deletes it, or the browser clears the data of the site
 */
export async function openDatabase(name: string, onLost: () => void): Promise<IDBDatabase> {
  if (typeof indexedDB === 'undefined') {
    throw new ChatError('store', 'store-unreadable', 'This platform has no IndexedDB to keep keys in.')
  }
  const request = indexedDB.open(name, 1)
  request.onupgradeneeded = () => request.result.createObjectStore(ENTRIES)
  const database = await succeeded(request)
  // Another tab that deletes the database would otherwise wait for this one.
  database.onversionchange = () => {
    database.close()
    onLost()
  }
  database.onclose = onLost
  return database
}

/** Reads committed entries. */
export class DatabaseReader implements StoreReader {
  readonly #database: IDBDatabase

  constructor(database: IDBDatabase) {
    this.#database = database
  }

  async get<T extends Value = Value>(name: string): Promise<T | undefined> {
    return (await succeeded(this.#entries().get(name))) as T | undefined
  }

  async list<T extends Value = Value>(prefix: string): Promise<[string, T][]> {
    return this.listAfter(prefix, '')
  }

  async listAfter<T extends Value = Value>(
    prefix: string,
    after: string,
    limit?: number
  ): Promise<[string, T][]> {
    const entries = this.#entries()
    const isWithin = after > prefix
    // U+FFFF is no character, so no name continues with it.
    const range = IDBKeyRange.bound(isWithin ? after : prefix, `${prefix}\uffff`, isWithin)
    const [names, values] = await Promise.all([
      succeeded(entries.getAllKeys(range, limit)),
      succeeded(entries.getAll(range, limit))
    ])
    return names.map((name, at) => [name as string, values[at] as T])
  }

  #entries(): IDBObjectStore {
    return this.#database.transaction(ENTRIES, 'readonly').objectStore(ENTRIES)
  }
}

/** Write `changes` at once. They last when this resolves. */
export function writeChanges(database: IDBDatabase, changes: Changes): Promise<void> {
  // By default some browsers report success before the disk has it.
  const transaction = database.transaction(ENTRIES, 'readwrite', { durability: 'strict' })
  return new Promise((resolve, reject) => {
    transaction.oncomplete = () => resolve()
    transaction.onabort = () => reject(asError(transaction.error))
    const entries = transaction.objectStore(ENTRIES)
    for (const [name, value] of changes) {
      if (value === undefined) entries.delete(name)
      else entries.put(value, name)
    }
  })
}

function succeeded<T>(request: IDBRequest<T>): Promise<T> {
  return new Promise((resolve, reject) => {
    request.onsuccess = () => resolve(request.result)
    request.onerror = () => reject(asError(request.error))
  })
}

function asError(cause: DOMException | null): Error {
  return cause ?? new Error('The browser gave no reason.')
}
