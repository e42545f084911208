import { ChatError } from '../../errors.js'
import type { StoreReader, Value } from '../store.js'
import type { Changes } from '../transaction.js'

/** The one object store of a database: names to values. */
const ENTRIES = 'entries'

/** Open a database of entries; make it if there is none. */
export async function openDatabase(name: string): Promise<Database> {
  const { indexedDB } = globalThis as Platform
  if (indexedDB === undefined) {
    throw new ChatError('store', 'store-unreadable', 'This platform has no IndexedDB to keep keys in.')
  }
  const request = indexedDB.open(name, 1)
  request.onupgradeneeded = () => request.result.createObjectStore(ENTRIES)
  const database = await succeeded(request)
  // Whoever deletes the database, in another tab, would wait for this one.
  database.onversionchange = () => database.close()
  return database
}

/** Reads what has been committed. */
export class DatabaseReader implements StoreReader {
  readonly #database: Database

  constructor(database: Database) {
    this.#database = database
  }

  async get<T extends Value = Value>(name: string): Promise<T | undefined> {
    return (await succeeded(this.#entries().get(name))) as T | undefined
  }

  async list<T extends Value = Value>(prefix: string): Promise<[string, T][]> {
    const entries = this.#entries()
    // U+FFFF is no character, so that no name goes on with it.
    const range = (globalThis as Platform).IDBKeyRange?.bound(prefix, `${prefix}\uffff`)
    const [names, values] = await Promise.all([
      succeeded(entries.getAllKeys(range)),
      succeeded(entries.getAll(range))
    ])
    return names.map((name, at) => [name as string, values[at] as T])
  }

  #entries(): Entries {
    return this.#database.transaction(ENTRIES, 'readonly').objectStore(ENTRIES)
  }
}

/** Write `changes` at once. They last when this resolves. */
export function writeChanges(database: Database, changes: Changes): Promise<void> {
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

function succeeded<T>(request: Request<T>): Promise<T> {
  return new Promise((resolve, reject) => {
    request.onsuccess = () => resolve(request.result)
    request.onerror = () => reject(asError(request.error))
  })
}

function asError(cause: unknown): Error {
  return cause instanceof Error ? cause : new Error('The browser gave no reason.', { cause })
}

/*
 * What of IndexedDB is used above. The project is compiled without the types of browsers, which Node.js does not have.
 */
type Handler = ((event: never) => unknown) | null

export interface Database {
  transaction(
    stores: string,
    mode: 'readonly' | 'readwrite',
    options?: { durability: 'strict' }
  ): { objectStore(name: string): Entries; readonly error: unknown; oncomplete: Handler; onabort: Handler }
  createObjectStore(name: string): unknown
  close(): void
  onversionchange: Handler
}

interface Entries {
  get(name: string): Request<unknown>
  getAll(range?: unknown): Request<unknown[]>
  getAllKeys(range?: unknown): Request<unknown[]>
  put(value: unknown, name: string): unknown
  delete(name: string): unknown
}

interface Request<T> {
  readonly result: T
  readonly error: unknown
  onsuccess: Handler
  onerror: Handler
}

interface Platform {
  indexedDB?: { open(name: string, version: number): Request<Database> & { onupgradeneeded: Handler } }
  IDBKeyRange?: { bound(lower: string, upper: string): unknown }
}
