import type { CryptoKey } from '../../crypto/web-crypto.js'

export type { CryptoKey }

/** What a store keeps: JSON, and in it bytes and keys. Of an object only own members count, and none is undefined. */
export type Value =
  | null
  | boolean
  | number
  | string
  | Uint8Array
  | CryptoKey
  | readonly Value[]
  | { readonly [name: string]: Value }

/** Where a device keeps its private keys, its session, and what it has seen: a small transactional key-value store. */
export interface Store extends StoreReader {
  /** Whether a private key must be extractable to be stored here. Where it is false, make keys that are not. */
  readonly extractableKeys: boolean

  /**
   * Change the store: exclusively, even among tabs and processes; all or nothing; durable when it resolves. If `work`
   * throws, nothing is changed. `work` may wait for anything except another `update` of the same store.
   *
   * @returns what `work` returns
   * @throws {ChatError} `store-busy` if others do not let go in good time, `store-unwritable`, or as reading does
   */
  update<T>(work: (transaction: StoreTransaction) => T | Promise<T>): Promise<T>

  /** Let go of the store when the update that is under way, if any, has ended. Harmless if called again. */
  close(): Promise<void>
}

/**
 * Reading gives what has been committed last, whoever did. What it gives is the caller's to keep and to change.
 * Names are paths: `area/id/…`. The type of a value is the caller's word: it is what was put there.
 */
export interface StoreReader {
  get<T extends Value = Value>(name: string): Promise<T | undefined>

  /** All entries whose names begin with `prefix`, sorted by name (in order of UTF-16 code units). */
  list<T extends Value = Value>(prefix: string): Promise<[name: string, value: T][]>
}

/** Reads what will be there if the update succeeds. May be used until `work` has ended. */
export interface StoreTransaction extends StoreReader {
  /** @throws {ChatError} `unstorable-value` */
  set(name: string, value: Value): void
  delete(name: string): void
}
