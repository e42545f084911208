import type { ChainKey } from '../../protocol/conversation-chain.js'
import { importSessionKey, type SessionKey as KeyMaterial } from '../../crypto/session-keys.js'
import type { ConversationChains } from '../conversations/chains.js'
import type { VerifiedConversation } from '../conversations/record.js'
import { requireRoster } from '../conversations/verify.js'
import { ChatError, untrusted } from '../errors.js'
import { chainRevision } from '../identity/chain-revision.js'
import { LruMap } from '../stores/lru-map.js'
import type { Store, StoreTransaction } from '../stores/store.js'
import type { KeyOpener } from './open.js'

/** The server is not asked again within this time for a key that was refused or missing. */
const MISS_MS = 5000

/** A session key as it is stored, under the hash of its statement. */
type StoredKey = { id: string; key: Uint8Array }

/** Why a key can't be used, by the chains of this revision. */
type Miss = { error: ChatError; at: number; revision: number }

/** A session key ready for use. */
export interface UsableKey {
  conversationId: string
  material: KeyMaterial
  /** Its link in the conversation's chain. */
  link: ChainKey
}

/** A device of a session key's roster. */
export interface RosterSender {
  username: string
  deviceId: string
  signingKey: string
}

/** This device's session keys: each is a link of a verified chain, unwrapped once, then stored. */
export class SessionKeys {
  readonly #store: Store
  readonly #chains: ConversationChains
  readonly #opener: KeyOpener
  readonly #now: () => number
  readonly #cache = new LruMap<string, UsableKey>(512)
  /** Hashes of keys whose rosters are the ones that the chains give. */
  readonly #checked = new LruMap<string, true>(4096)
  readonly #misses = new LruMap<string, Miss>(4096)
  readonly #pending = new Map<string, Promise<UsableKey>>()

  constructor(store: Store, chains: ConversationChains, opener: KeyOpener, now: () => number) {
    this.#store = store
    this.#chains = chains
    this.#opener = opener
    this.#now = now
  }

  /**
   * A session key by the hash of its statement, from the store or from the server.
   *
   * @throws {ChatError} `no-session-key` or `unreadable-key` (`usage`) if this device cannot open it;
   *   `unknown-key` (`untrusted`) if the conversation's chain, fetched to its end, lacks it; `untrusted` if it
   *   was refused
   */
  async byHash(conversationId: string, hash: string): Promise<UsableKey> {
    const name = nameOf(conversationId, hash)
    const cached = this.#cache.get(name)
    // The person may have taken a chain without it, in any process.
    if (cached !== undefined && (await this.#chains.hashAt(conversationId, cached.link.sequence)) === hash)
      return cached
    const miss = this.#misses.get(name)
    if (miss !== undefined && (await this.#holds(miss))) throw miss.error
    const pending = this.#pending.get(name)
    if (pending !== undefined) return pending
    const work = this.#read(conversationId, hash).finally(() => this.#pending.delete(name))
    this.#pending.set(name, work)
    return work
  }

  /**
   * The device of a session key's roster that has this signing key.
   *
   * @throws {ChatError} `ghost-sender` or `ambiguous-key` (`untrusted`)
   */
  async sender(
    { conversationId, link }: Omit<UsableKey, 'material'>,
    signingKey: string
  ): Promise<RosterSender> {
    const { history } = await this.#chains.get(conversationId)
    const users = await this.#chains.users(conversationId)
    const [found, another] = history.rosterDevices(link, signingKey, users)
    if (found === undefined || found.device.purpose !== 'chat')
      throw untrusted('ghost-sender', 'The sending device is not in the roster of the session key.')
    if (another !== undefined)
      throw untrusted('ambiguous-key', 'Two members have bound the signing key of the sender.')
    return { username: found.username, deviceId: found.device.id, signingKey }
  }

  /** Whether the session key was made for this device, among others. */
  async isInRoster(key: UsableKey, signingKey: string): Promise<boolean> {
    return this.sender(key, signingKey).then(
      () => true,
      () => false
    )
  }

  /** The hashes of the stored keys of a conversation. */
  async list(conversationId: string): Promise<string[]> {
    const entries = await this.#store.list(nameOf(conversationId, ''))
    return entries.map(([name]) => name.slice(nameOf(conversationId, '').length))
  }

  /** Store a key of this device's making. */
  save(tx: StoreTransaction, conversationId: string, hash: string, { id, bytes }: KeyMaterial): void {
    tx.set(nameOf(conversationId, hash), { id, key: bytes } satisfies StoredKey)
  }

  /** Destroy all session keys: this device can't decrypt the messages under them any more. */
  async destroyAll(): Promise<void> {
    await this.#store.update(async (tx) => {
      for (const [stored] of await tx.list('key/')) tx.delete(stored)
    })
    this.#cache.clear()
  }

  /** Ask the server again for a key that was missing: it may have come now. */
  clearMiss(conversationId: string, hash: string): void {
    this.#misses.delete(nameOf(conversationId, hash))
  }

  /**
   * Open every session key of the chain, fetched to its end, that was wrapped for this device. Keys that are
   * refused are left out.
   */
  async openAll(conversationId: string): Promise<void> {
    const { history } = (await this.#chains.sync(conversationId)).conversation
    for (const { hash } of history.keys)
      await this.byHash(conversationId, hash).catch((error: unknown) => {
        if (!isKeyRefusal(error)) throw error
      })
  }

  /** Forget everything that is held in memory. */
  clear(): void {
    this.#cache.clear()
    this.#checked.clear()
    this.#misses.clear()
  }

  async #read(conversationId: string, hash: string): Promise<UsableKey> {
    const name = nameOf(conversationId, hash)
    const revision = await chainRevision(this.#store)
    try {
      const link = await this.#link(conversationId, hash)
      const stored = await this.#store.get<StoredKey>(name)
      const material =
        stored === undefined
          ? await this.#opener.open(conversationId, link)
          : await importSessionKey(stored.id, stored.key)
      if (stored === undefined)
        await this.#store.update((tx) => this.save(tx, conversationId, hash, material))
      const key = { conversationId, material, link }
      this.#cache.set(name, key)
      return key
    } catch (error) {
      if (isKeyRefusal(error)) this.#misses.set(name, { error, at: this.#now(), revision })
      throw error
    }
  }

  /** Not if a chain has changed since. */
  async #holds({ at, revision }: Miss): Promise<boolean> {
    return this.#now() - at < MISS_MS && (await chainRevision(this.#store)) === revision
  }

  /** The key's link in the chain, with a roster that is the one that the chains give. */
  async #link(conversationId: string, hash: string): Promise<ChainKey> {
    let conversation: VerifiedConversation = await this.#chains.get(conversationId)
    if (conversation.history.key(hash) === undefined)
      ({ conversation } = await this.#chains.sync(conversationId))
    const link = conversation.history.key(hash)
    if (link === undefined)
      throw untrusted('unknown-key', 'The conversation’s chain has no such session key.')
    if (this.#checked.get(hash) === undefined) {
      await requireRoster(conversation.history, link, await this.#chains.users(conversationId))
      this.#checked.set(hash, true)
    }
    return link
  }
}

function nameOf(conversationId: string, hash: string): string {
  return `key/${conversationId}/${hash}`
}

/** Whether the key itself is missing or bad, and not the way to the server. */
function isKeyRefusal(error: unknown): error is ChatError {
  return error instanceof ChatError && (error.kind === 'untrusted' || lacksKey(error))
}

/** Whether this device has no session key that it could decrypt with. */
export function lacksKey({ code }: ChatError): boolean {
  return code === 'unreadable-key' || code === 'no-session-key'
}
