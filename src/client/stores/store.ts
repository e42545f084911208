import type { CryptoKey } from '../../crypto/web-crypto.js'

export type { CryptoKey }

/**
 * A value that a store takes: JSON that may contain bytes and keys. Objects are plain, without undefined
 * members.
 */
export type Value =
  | null
  | boolean
  | number
  | string
  | Uint8Array
  | CryptoKey
  | readonly Value[]
  | { readonly [name: string]: Value }

/**
 * Keeps a device's private keys, its session and all that it has seen: a small transactional key-value store.
 */
export interface Store extends StoreReader {
  /** Whether private keys have to be extractable to be stored here. If false, make keys that are not. */
  readonly extractableKeys: boolean

  /**
   * Names the store among the tabs that have it open. They share one stream of events, by a Web Lock and a
   * `BroadcastChannel`. Without a name each client has a stream of its own.
   */
  readonly sharedAs?: string

  /**
   * Aborts when the platform has taken the data away under the open store. Its reason is the `ChatError` that
   * every call throws from then on.
   */
  readonly lost?: AbortSignal

  /**
   * Change the store in one transaction: exclusive among tabs and processes, atomic, durable when it
   * resolves. If `work` throws, nothing changes. `work` may await anything except another `update` of the
   * same store. Secrets that were deleted or replaced are beyond recovery then, as far as the platform can do
   * that.
   *
   * @returns the result of `work`
   * @throws {ChatError} `store-busy` if others hold the lock too long, `store-unwritable`, or as reading does
   */
  update<T>(work: (transaction: StoreTransaction) => T | Promise<T>): Promise<T>

  /**
   * Like `list`, for a list that may be long: the first `limit` entries whose names come after `after`. A store
   * may do without: then it lists all at once.
   */
  listAfter?<T extends Value = Value>(prefix: string, after: string, limit: number): Promise<[string, T][]>

  /** Close the store when the current update, if any, has ended. A second call does nothing. */
  close(): Promise<void>
}

/**
 * Reads the last committed state, of any tab or process. Values are copies. Names are paths: `area/id/…`. The
 * caller names the type of a value, which is not checked.
 */
export interface StoreReader {
  get<T extends Value = Value>(name: string): Promise<T | undefined>

  /** All entries whose names begin with `prefix`, sorted by name in order of UTF-16 code units. */
  list<T extends Value = Value>(prefix: string): Promise<[name: string, value: T][]>
}

/** Reads the state with the changes so far. Can't be used after `work` has ended. */
export interface StoreTransaction extends StoreReader {
  /** @throws {ChatError} `unstorable-value` */
  set(name: string, value: Value): void
  delete(name: string): void
}
