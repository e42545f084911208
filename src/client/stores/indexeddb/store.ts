import { publicCall } from '../../calls.js'
import { ChatError } from '../../errors.js'
import { DatabaseReader, openDatabase, writeChanges } from './database.js'
import type { Store, StoreTransaction, Value } from '../store.js'
import { transact } from '../transaction.js'
import { LOCK_TIMEOUT_MS, storeBusy, Mutex } from '../mutex.js'

export interface IndexedDbStoreOptions {
  /** The database's name: one for each account on an origin. */
  name?: string
  /** How long an update waits for others, in ms. */
  patience?: number
}

/**
 * A store in a browser's IndexedDB. `navigator.locks` excludes the other tabs and workers of the origin.
 * Private keys are stored as non-extractable keys, which not even a script injected into the page can read.
 * Bytes are not encrypted again: a key for that would lie beside them. A deleted value stays in the browser's
 * log until the browser compacts its database.
 *
 * A browser may delete the data when space gets scarce, unless the page has called
 * `navigator.storage.persist()`.
 */
export class IndexedDbStore implements Store {
  readonly extractableKeys = false
  readonly sharedAs: string
  readonly lost: AbortSignal
  readonly #database: IDBDatabase
  readonly #reader: DatabaseReader
  readonly #lock: string
  readonly #locks: LockManager
  readonly #patience: number
  readonly #updates = new Mutex()
  #isClosed = false

  private constructor(
    database: IDBDatabase,
    lost: AbortSignal,
    name: string,
    locks: LockManager,
    patience: number
  ) {
    this.sharedAs = name
    this.lost = lost
    this.#database = database
    this.#reader = new DatabaseReader(database)
    this.#lock = `secure-chat-store:${name}`
    this.#locks = locks
    this.#patience = patience
  }

  /**
   * Open a store; make it if there is none.
   *
   * @throws {ChatError} `store-unreadable`, or `store-unlockable` if there are no locks, as in a page without
   *   https
   */
  static open(options: IndexedDbStoreOptions = {}): Promise<IndexedDbStore> {
    return publicCall(
      (given: IndexedDbStoreOptions) => IndexedDbStore.#open(given),
      'IndexedDbStore.open'
    )(options)
  }

  static async #open(options: IndexedDbStoreOptions): Promise<IndexedDbStore> {
    const { name = 'secure-chat', patience = LOCK_TIMEOUT_MS } = options
    const locks = platformLocks()
    if (locks === undefined) {
      throw new ChatError('store', 'store-unlockable', 'This platform has no locks (navigator.locks).', {
        hint: 'Open the page by https, or update the browser.'
      })
    }
    const lost = new AbortController()
    const onLost = () => lost.abort(storeLost())
    const database = await orFail('unreadable', lost.signal, () => openDatabase(name, onLost))
    return new IndexedDbStore(database, lost.signal, name, locks, patience)
  }

  async get<T extends Value = Value>(name: string): Promise<T | undefined> {
    this.#requireOpen()
    return orFail('unreadable', this.lost, () => this.#reader.get<T>(name))
  }

  async list<T extends Value = Value>(prefix: string): Promise<[string, T][]> {
    this.#requireOpen()
    return orFail('unreadable', this.lost, () => this.#reader.list<T>(prefix))
  }

  async listAfter<T extends Value = Value>(
    prefix: string,
    after: string,
    limit: number
  ): Promise<[string, T][]> {
    this.#requireOpen()
    return orFail('unreadable', this.lost, () => this.#reader.listAfter<T>(prefix, after, limit))
  }

  async update<T>(work: (transaction: StoreTransaction) => T | Promise<T>): Promise<T> {
    this.#requireOpen()
    // The database's own transactions end as soon as `work` waits for anything else, such as a signature.
    const run = () => {
      this.lost.throwIfAborted()
      return transact(this.#reader, work, (changes) => {
        this.lost.throwIfAborted()
        return orFail('unwritable', this.lost, () => writeChanges(this.#database, changes))
      })
    }
    return this.#updates.runExclusive(() => this.#exclusively(run), this.#patience)
  }

  async close(): Promise<void> {
    this.#isClosed = true
    await this.#updates.runExclusive(async () => this.#database.close(), this.#patience)
  }

  async #exclusively<T>(work: () => Promise<T>): Promise<T> {
    const signal = AbortSignal.timeout(this.#patience)
    let begun = false
    try {
      return await this.#locks.request(this.#lock, { signal }, () => {
        begun = true
        return work()
      })
    } catch (error) {
      if (!begun && signal.aborted) throw storeBusy('another tab', this.#patience)
      throw error
    }
  }

  #requireOpen(): void {
    if (this.#isClosed) throw new ChatError('store', 'store-closed', 'The key store has been closed.')
    this.lost.throwIfAborted()
  }
}

function storeLost(): ChatError {
  const message =
    'The key store was deleted, by another tab or by the browser. The keys of this device are gone.'
  const hint =
    'Load the page again. Then log in as a new device and approve it from another one, or restore the backup.'
  return new ChatError('store', 'store-lost', message, { hint })
}

/** Missing in a page without https, and in Node.js before 24. */
function platformLocks(): LockManager | undefined {
  return (globalThis as Partial<typeof globalThis>).navigator?.locks
}

async function orFail<T>(
  code: 'unreadable' | 'unwritable',
  lost: AbortSignal,
  work: () => Promise<T>
): Promise<T> {
  try {
    return await work()
  } catch (cause) {
    if (cause instanceof ChatError) throw cause
    // Requests fail before the database says that it has gone.
    await new Promise((resolve) => setTimeout(resolve))
    lost.throwIfAborted()
    const verb = code === 'unreadable' ? 'read' : 'written'
    const reason = cause instanceof Error ? cause.message : String(cause)
    throw new ChatError('store', `store-${code}`, `The key store cannot be ${verb}: ${reason}`, { cause })
  }
}
