import { existsSync } from 'node:fs'
import { join } from 'node:path'
import { publicCall } from '../../calls.js'
import { ChatError } from '../../errors.js'
import { makePrivateFolder } from './folder.js'
import { Journal } from './journal.js'
import type { JsonChanges } from './line.js'
import { requireLockable, withLock } from './lock.js'
import { Passphrase, type Seal } from './encryption.js'
import { EntriesReader } from './entries-reader.js'
import { encodeValue, type Json } from './values.js'
import { orUnreadable, unwritable } from './failures.js'
import type { Store, StoreTransaction, Value } from '../store.js'
import { applyChanges, transact, type Changes } from '../transaction.js'
import { LOCK_TIMEOUT_MS, Mutex } from '../mutex.js'

export interface FileStoreOptions {
  /**
   * A folder only for this store, made (0700) if it is missing. It holds the file `journal` and the folder
   * `lock`.
   */
  folder: string
  /**
   * Encrypts the store when it is made (12 characters or more), and is needed from then on; a store that is
   * not encrypted is refused. Without it, file permissions (0600) protect the store.
   */
  passphrase?: string
  /** How long an update waits for others, in ms. */
  patience?: number
}

/**
 * A store in a file, for Node.js on Linux and macOS. Several processes may use it at once.
 *
 * A secret that is deleted or replaced is overwritten in the file before the update resolves; after a crash or
 * a power cut, when the store is next opened. The passphrase hides everything but the sizes and the number of
 * changes, and no line can be changed, moved or left out. An attacker who can write the file can still put
 * back an older copy, or cut off the newest lines.
 */
export class FileStore implements Store {
  readonly extractableKeys = true
  readonly #path: string
  readonly #lock: string
  readonly #patience: number
  readonly #updates = new Mutex()
  /** Guards `#journal` while it is read or written. */
  readonly #access = new Mutex()
  #passphrase: Passphrase | null
  #journal: Journal | undefined
  #isClosed = false

  private constructor(folder: string, passphrase: Passphrase | null, patience: number) {
    this.#path = join(folder, 'journal')
    this.#lock = join(folder, 'lock')
    this.#passphrase = passphrase
    this.#patience = patience
  }

  /**
   * Open a store; make it if there is none.
   *
   * @throws {ChatError} `passphrase-needed`, `wrong-passphrase` or `not-encrypted`; `bad-passphrase` (`usage`)
   *   for a new one that is too short; `store-exposed` if others may read it; `store-damaged`,
   *   `store-too-new`, `store-unlockable`, `store-unreadable`, `store-busy`
   */
  static open(options: FileStoreOptions): Promise<FileStore> {
    return publicCall((given: FileStoreOptions) => FileStore.#open(given), 'FileStore.open')(options)
  }

  static async #open({
    folder,
    passphrase,
    patience = LOCK_TIMEOUT_MS
  }: FileStoreOptions): Promise<FileStore> {
    const held = passphrase === undefined ? null : new Passphrase(passphrase)
    const store = new FileStore(folder, held, patience)
    await store.#make(folder)
    try {
      if ((await store.#current()).isUnclean) await store.#exclusively(async () => {})
      return store
    } catch (error) {
      await store.#forget()
      throw error
    }
  }

  async get<T extends Value = Value>(name: string): Promise<T | undefined> {
    this.#requireOpen()
    return new EntriesReader((await this.#current()).entries).get(name)
  }

  async list<T extends Value = Value>(prefix: string): Promise<[string, T][]> {
    this.#requireOpen()
    return new EntriesReader((await this.#current()).entries).list(prefix)
  }

  async listAfter<T extends Value = Value>(
    prefix: string,
    after: string,
    limit: number
  ): Promise<[string, T][]> {
    this.#requireOpen()
    return new EntriesReader((await this.#current()).entries).list(prefix, after, limit)
  }

  update<T>(work: (transaction: StoreTransaction) => T | Promise<T>): Promise<T> {
    return this.#exclusively(async (journal) =>
      transact(new EntriesReader(journal.entries), work, (changes) => this.#commit(changes))
    )
  }

  /**
   * Encrypt the store under another passphrase, or store it in the clear if there is none. Other processes
   * that have it open must open it again.
   *
   * @throws {ChatError} `bad-passphrase` (`usage`) if it is too short
   */
  changePassphrase(passphrase?: string): Promise<void> {
    return this.#exclusively(async (journal) => {
      const held = passphrase === undefined ? null : new Passphrase(passphrase)
      const seal = held && (await held.makeSeal())
      await this.#access.runExclusive(() => this.#write(journal.entries, seal))
      this.#passphrase = held
    })
  }

  async close(): Promise<void> {
    this.#isClosed = true
    await this.#updates.runExclusive(() => this.#access.runExclusive(() => this.#forget()))
  }

  async #make(folder: string): Promise<void> {
    await orUnreadable(this.#path, async () => {
      makePrivateFolder(folder)
      makePrivateFolder(this.#lock)
      requireLockable(folder)
      if (existsSync(this.#path)) return
      const seal = this.#passphrase && (await this.#passphrase.makeSeal())
      await withLock(
        this.#lock,
        async () => {
          if (!existsSync(this.#path)) await this.#write(new Map(), seal)
        },
        this.#patience
      )
    })
  }

  /** Do `work` on the newest state, while nothing else changes it. */
  async #exclusively<T>(work: (journal: Journal) => Promise<T>): Promise<T> {
    this.#requireOpen()
    const locked = async () => {
      const journal = await this.#current()
      // A process may have crashed in the midst of an update.
      if (journal.isUnclean) await this.#access.runExclusive(() => this.#erase(journal))
      return work(this.#journal!)
    }
    const run = () => withLock(this.#lock, locked, this.#patience)
    return this.#updates.runExclusive(run, this.#patience)
  }

  /** The journal, with every committed change. */
  #current(): Promise<Journal> {
    return this.#access.runExclusive(() =>
      orUnreadable(this.#path, async () => {
        if (this.#journal !== undefined && !(await this.#journal.readOn())) await this.#forget()
        this.#journal ??= await Journal.open(this.#path, this.#passphrase)
        return this.#journal
      })
    )
  }

  async #commit(changes: Changes): Promise<void> {
    const encoded = new Map(
      await Promise.all(
        Array.from(
          changes,
          async ([name, value]) => [name, value === undefined ? value : await encodeValue(value)] as const
        )
      )
    )
    await this.#access.runExclusive(() => this.#save(encoded))
  }

  async #save(changes: JsonChanges): Promise<void> {
    const journal = this.#journal!
    if (journal.isTorn || journal.isOutgrown || deletesAll(journal.entries, changes)) {
      const entries = new Map(journal.entries)
      applyChanges(entries, changes)
      await this.#write(entries, journal.seal)
      return
    }
    try {
      await journal.append(changes)
    } catch (cause) {
      // A change that was reported as failed must not turn up later.
      await this.#write(journal.entries, journal.seal).catch(() => {})
      throw unwritable(this.#path, cause)
    }
    await this.#erase(journal)
  }

  /** Erase what no entry has any more. */
  async #erase(journal: Journal): Promise<void> {
    // A file that can't be overwritten in place can still be replaced.
    await journal.erase().catch(() => this.#write(journal.entries, journal.seal))
  }

  async #write(entries: Iterable<[string, Json]>, seal: Seal | null): Promise<void> {
    await this.#forget()
    try {
      this.#journal = await Journal.write(this.#path, entries, seal)
    } catch (cause) {
      throw unwritable(this.#path, cause)
    }
  }

  #requireOpen(): void {
    if (this.#isClosed) throw new ChatError('store', 'store-closed', 'The key store has been closed.')
  }

  /** Close the journal, so that the file is next read from its beginning. */
  async #forget(): Promise<void> {
    const journal = this.#journal
    this.#journal = undefined
    await journal?.close()
  }
}

/** Then the names must not stay in the file either. */
function deletesAll(entries: ReadonlyMap<string, Json>, changes: JsonChanges): boolean {
  if (changes.size < entries.size) return false
  return (
    [...entries.keys()].every((name) => changes.has(name)) &&
    [...changes.values()].every((json) => json === undefined)
  )
}
