import type { FileStore } from '../../src/client/stores/file/store.js'
import type { CryptoKey, Store, StoreTransaction, Value } from '../../src/client/stores/store.js'
import { isCryptoKey, isPlainObject } from '../../src/client/stores/values.js'

/** A file store that knows every key and token that was ever put into it. */
export class RecordingStore implements Store {
  readonly extractableKeys = true
  readonly #store: FileStore
  readonly #recorded: Promise<Uint8Array[]>[] = []

  constructor(store: FileStore) {
    this.#store = store
  }

  get<T extends Value = Value>(name: string): Promise<T | undefined> {
    return this.#store.get<T>(name)
  }

  list<T extends Value = Value>(prefix: string): Promise<[string, T][]> {
    return this.#store.list<T>(prefix)
  }

  update<T>(work: (transaction: StoreTransaction) => T | Promise<T>): Promise<T> {
    return this.#store.update((tx) =>
      work({
        get: (name) => tx.get(name),
        list: (prefix) => tx.list(prefix),
        delete: (name) => tx.delete(name),
        set: (name, value) => {
          this.#recorded.push(secretsOf(name, value))
          tx.set(name, value)
        }
      })
    )
  }

  close(): Promise<void> {
    return this.#store.close()
  }

  /** The keys and tokens that are in the store. */
  async present(): Promise<Uint8Array[]> {
    const entries = await this.list('')
    return unique(await Promise.all(entries.map(([name, value]) => secretsOf(name, value))))
  }

  /** Those that were in it, or were to be, and are not any more. */
  async gone(): Promise<Uint8Array[]> {
    const present = new Set((await this.present()).map(String))
    return unique(await Promise.all(this.#recorded)).filter((secret) => !present.has(String(secret)))
  }
}

/** Bytes and private keys anywhere, except in the pages of seen messages, and the session's tokens. */
async function secretsOf(name: string, value: Value): Promise<Uint8Array[]> {
  if (name.startsWith('seen/')) return []
  if (value instanceof Uint8Array) return [new Uint8Array(value)]
  if (isCryptoKey(value)) return value.type === 'public' ? [] : [await innermost(value)]
  if (typeof value === 'string') return /Token$/.test(name) ? [Buffer.from(value)] : []
  const members = isPlainObject(value) || Array.isArray(value) ? Object.entries(value) : []
  return (
    await Promise.all(members.map(([member, value]) => secretsOf(`${name}/${member}`, value as Value)))
  ).flat()
}

/** The end of a private key's encoding is secret, whatever its kind. */
async function innermost(key: CryptoKey): Promise<Uint8Array> {
  return new Uint8Array(await crypto.subtle.exportKey(key.type === 'private' ? 'pkcs8' : 'raw', key)).slice(
    -32
  )
}

function unique(secrets: readonly (readonly Uint8Array[])[]): Uint8Array[] {
  return [...new Map(secrets.flat().map((secret) => [String(secret), secret])).values()]
}
