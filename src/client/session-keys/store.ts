import Type from 'typebox'
import { SessionKey as ServedKey, SessionKeyPage } from '../../protocol/conversations.js'
import { ref } from '../../protocol/schema.js'
import { importSessionKey, type SessionKey as KeyMaterial } from '../../crypto/session-keys.js'
import type { ConversationChains } from '../conversations/chains.js'
import { ChatError, RefusedError, untrusted } from '../errors.js'
import type { OwnDevice } from '../identity/own-device.js'
import type { UserChains } from '../identity/user-chains.js'
import { LruMap } from '../stores/lru-map.js'
import type { Store } from '../stores/store.js'
import type { Api } from '../transport/api.js'
import { pagesOf } from '../transport/pages.js'
import { SessionKeyVerifier, type StoredKey } from './verify.js'

const SessionKeyResponse = Type.Object({ sessionKey: ref(ServedKey) })

/** The server is not asked again within this time for a key that was refused or missing. */
const MISS_MS = 5000

/** A session key ready for use. */
export type SessionKey = StoredKey & { material: KeyMaterial }

/** This device's session keys: fetched, verified and unwrapped once, then stored. */
export class SessionKeys {
  readonly #api: Api
  readonly #store: Store
  readonly #chains: ConversationChains
  readonly #now: () => number
  readonly #verifier: SessionKeyVerifier
  readonly #cache = new LruMap<string, SessionKey>(512)
  readonly #misses = new LruMap<string, { error: ChatError; at: number }>(4096)
  readonly #pending = new Map<string, Promise<SessionKey>>()

  constructor(
    api: Api,
    store: Store,
    users: UserChains,
    chains: ConversationChains,
    me: OwnDevice,
    now: () => number
  ) {
    this.#api = api
    this.#store = store
    this.#chains = chains
    this.#now = now
    this.#verifier = new SessionKeyVerifier(users, chains, me)
  }

  /**
   * A session key by its id, from the store or from the server.
   *
   * @throws {ChatError} `no-session-key` (`usage`) if there is none for this device, `untrusted` if it was
   *   refused
   */
  async get(conversationId: string, id: string): Promise<SessionKey> {
    const key = await this.peek(conversationId, id)
    if (key !== undefined) return key
    const name = nameOf(conversationId, id)
    const miss = this.#misses.get(name)
    if (miss !== undefined && this.#now() - miss.at < MISS_MS) throw miss.error
    const pending = this.#pending.get(name)
    if (pending !== undefined) return pending
    const work = this.#fetch(conversationId, id).finally(() => this.#pending.delete(name))
    this.#pending.set(name, work)
    return work
  }

  async peek(conversationId: string, id: string): Promise<SessionKey | undefined> {
    const cached = this.#cache.get(id)
    if (cached !== undefined) return cached.conversationId === conversationId ? cached : undefined
    const stored = await this.#store.get<StoredKey>(nameOf(conversationId, id))
    return stored && this.#import(stored)
  }

  /** All stored keys of a conversation. */
  async list(conversationId: string): Promise<StoredKey[]> {
    return (await this.#store.list<StoredKey>(nameOf(conversationId, ''))).map(([, key]) => key)
  }

  async save(key: StoredKey): Promise<SessionKey> {
    await this.#store.update((tx) => tx.set(nameOf(key.conversationId, key.id), key))
    return this.#import(key)
  }

  /** Destroy all session keys: this device can't decrypt the messages under them any more. */
  async destroyAll(): Promise<void> {
    await this.#store.update(async (tx) => {
      for (const [stored] of await tx.list('key/')) tx.delete(stored)
    })
    this.#cache.clear()
  }

  /** Ask the server again for a key that was missing: it may have come now. */
  clearMiss(conversationId: string, id: string): void {
    this.#misses.delete(nameOf(conversationId, id))
  }

  /** Fetch every session key that was wrapped for this device. Keys that are refused are left out. */
  async fetchAll(conversationId: string): Promise<void> {
    await this.#chains.get(conversationId)
    const path = `/v1/conversations/${conversationId}/session-keys?limit=50`
    for await (const { items } of pagesOf(this.#api, path, SessionKeyPage))
      for (const served of items) {
        if ((await this.peek(conversationId, served.id)) !== undefined) continue
        const key = await this.#verifier.verify(conversationId, served).catch((error: unknown) => {
          if (!isKeyRefusal(error)) throw error
          this.#noteMiss(conversationId, served.id, error)
          return null
        })
        if (key !== null) await this.save(key)
      }
  }

  /** Forget everything that is held in memory. */
  clear(): void {
    this.#cache.clear()
    this.#misses.clear()
  }

  async #fetch(conversationId: string, id: string): Promise<SessionKey> {
    try {
      await this.#chains.get(conversationId)
      const path = `/v1/conversations/${conversationId}/session-keys/${id}`
      const { body } = await this.#api.call({ method: 'GET', path, response: SessionKeyResponse })
      if (body.sessionKey.id !== id)
        throw untrusted('forged-session-key', 'The server shows another session key.')
      return await this.save(await this.#verifier.verify(conversationId, body.sessionKey))
    } catch (error) {
      const reason = error instanceof RefusedError && error.status === 404 ? missing(error) : error
      if (isKeyRefusal(reason)) this.#noteMiss(conversationId, id, reason)
      throw reason
    }
  }

  async #import(stored: StoredKey): Promise<SessionKey> {
    const key = { ...stored, material: await importSessionKey(stored.id, stored.key) }
    this.#cache.set(stored.id, key)
    return key
  }

  #noteMiss(conversationId: string, id: string, error: ChatError): void {
    this.#misses.set(nameOf(conversationId, id), { error, at: this.#now() })
  }
}

function nameOf(conversationId: string, id: string): string {
  return `key/${conversationId}/${id}`
}

function missing(cause: unknown): ChatError {
  const message = 'No session key for this message was wrapped for this device.'
  return new ChatError('usage', 'no-session-key', message, { cause })
}

/** Whether the key itself is missing or bad, and not the way to the server. */
function isKeyRefusal(error: unknown): error is ChatError {
  return error instanceof ChatError && (error.kind === 'untrusted' || lacksKey(error))
}

/** Whether this device has no session key that it could decrypt with. */
export function lacksKey({ code }: ChatError): boolean {
  return code === 'unreadable-key' || code === 'no-session-key'
}
