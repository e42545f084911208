import { Profile } from '../../protocol/accounts.js'
import { parseStatement, type UserStatement } from '../../protocol/statements.js'
import { extendUserChain, type UserChain } from '../../protocol/user-chain.js'
import type { SignedStatement } from '../../protocol/schema.js'
import { fingerprint, importEncryptionKey, importSigningKey } from '../../crypto/keys.js'
import { statementHash, verifyStatement } from '../../crypto/statements.js'
import type { Api } from '../transport/api.js'
import { bumpChainRevision, chainRevision } from './chain-revision.js'
import { LruMap } from '../stores/lru-map.js'
import type { CryptoKey, Store, StoreTransaction } from '../stores/store.js'
import { toUntrusted, untrusted } from '../errors.js'
import type { TrustStore } from './trust-store.js'
import { bindingsOf, fromStored, toStored, type StoredUser } from './user-record.js'

const KINDS = ['device-add', 'device-rekey', 'device-revoke', 'device-reset'] as const

export interface SyncedUser {
  user: StoredUser
  /** The statements that are new since the last time, in order. */
  added: UserStatement[]
}

/**
 * The chains of all users, this one's too: verified statement by statement, stored, and only ever extended.
 */
export class UserChains {
  readonly #api: Api
  readonly #store: Store
  readonly #trust: TrustStore
  readonly #cache = new LruMap<string, StoredUser>(2048)
  /** The revision of the chains that `#cache` was read from. */
  #revision = 0
  readonly #keys = new LruMap<string, Promise<CryptoKey>>(8192)
  readonly #pending = new Map<string, Promise<SyncedUser>>()

  constructor(api: Api, store: Store, trust: TrustStore) {
    this.#api = api
    this.#store = store
    this.#trust = trust
  }

  /** A user as known here; asks the server only about users never met. */
  async get(username: string): Promise<StoredUser> {
    return (await this.peek(username)) ?? (await this.sync(username)).user
  }

  async peek(username: string): Promise<StoredUser | undefined> {
    const cached = this.#cache.get(username)
    if (cached !== undefined) return cached
    const stored = await this.#store.get<StoredUser>(name(username))
    if (stored !== undefined) this.#cache.set(username, stored)
    return stored
  }

  /** Forget everything that is held in memory. */
  clear(): void {
    this.#cache.clear()
    this.#keys.clear()
  }

  /** Read again what other processes may have stored. */
  async refresh(): Promise<void> {
    const revision = await chainRevision(this.#store)
    if (revision !== this.#revision) this.#cache.clear()
    this.#revision = revision
  }

  /**
   * Fetch and verify the new statements of a user's chain.
   *
   * @throws {ChatError} `user-not-found` (`refused`); `untrusted` if the chain is not valid
   */
  sync(username: string): Promise<SyncedUser> {
    const pending = this.#pending.get(username)
    if (pending !== undefined) return pending
    const work = this.#sync(username)
      .catch((error: unknown) => {
        throw toUntrusted(error, `The server's answer about ${username}`)
      })
      .finally(() => this.#pending.delete(username))
    this.#pending.set(username, work)
    return work
  }

  /** The public signing key with this fingerprint of a user's device, present or past. */
  signingKey(user: StoredUser, print: string): Promise<CryptoKey> {
    return this.#imported(user, print, importSigningKey)
  }

  /** The public encryption key of an active device. */
  encryptionKey(user: StoredUser, print: string): Promise<CryptoKey> {
    return this.#imported(user, print, importEncryptionKey)
  }

  #imported(user: StoredUser, print: string, load: (pem: string) => Promise<CryptoKey>): Promise<CryptoKey> {
    let key = this.#keys.get(print)
    if (key === undefined) {
      const pem = user.keys[print]
      if (pem === undefined)
        return Promise.reject(
          untrusted('missing-key', `The server does not serve ${user.username}'s key ${print}.`)
        )
      key = load(pem).catch((error: unknown) => {
        throw toUntrusted(error, `A key of ${user.username}`)
      })
      key.catch(() => this.#keys.delete(print))
      this.#keys.set(print, key)
    }
    return key
  }

  async #sync(username: string): Promise<SyncedUser> {
    const before = await this.#store.get<StoredUser>(name(username))
    const after = before?.sequence ?? 0
    const path = `/v1/users/${encodeURIComponent(username)}?after=${after}`
    const { body } = await this.#api.call({ method: 'GET', path, response: Profile })
    if (body.user.username !== username || (before !== undefined && before.userId !== body.user.id))
      throw untrusted('other-answer', `The server shows another user for ${username}.`)
    const keys = await readKeys(body, before)
    let chain = before === undefined ? null : fromStored(before)
    const hashes = [...(before?.hashes ?? [])]
    const bindings = [...(before?.bindings ?? [])]
    const added: UserStatement[] = []
    for (const signed of body.chain) {
      const statement = await this.#verify(username, chain, signed, keys)
      chain = statement.chain
      hashes.push(chain.head)
      bindings.push(...bindingsOf(statement.statement, chain.root))
      added.push(statement.statement)
    }
    if (chain === null) throw untrusted('forked-chain', `The server shows no chain of ${username}.`)
    await requireSameDevices(chain, body)
    const user = toStored(body.user.id, chain, { hashes, bindings }, keys)
    return { user: await this.#save(user, added.length), added }
  }

  async #verify(
    username: string,
    chain: UserChain | null,
    signed: SignedStatement,
    keys: ReadonlyMap<string, string>
  ): Promise<{ chain: UserChain; statement: UserStatement }> {
    try {
      const statement = parseStatement(signed.text, KINDS)
      const maySign = new Map<string, CryptoKey>()
      const own = 'signingKey' in statement ? [statement.signingKey] : []
      const active = [...(chain?.devices.values() ?? [])].map(({ signingKey }) => signingKey)
      for (const print of [...active, ...own]) {
        const pem = keys.get(print)
        if (pem !== undefined && print in signed.signatures) maySign.set(print, await importSigningKey(pem))
      }
      const signers = await verifyStatement(signed, maySign)
      if (chain === null && statement.user !== username)
        throw untrusted('forked-chain', `The server shows a chain of ${statement.user} for ${username}.`)
      return {
        statement,
        chain: extendUserChain(chain, statement, await statementHash(signed.text), signers)
      }
    } catch (error) {
      throw toUntrusted(error, `A statement of ${username}'s chain`)
    }
  }

  async #save(user: StoredUser, added: number): Promise<StoredUser> {
    const stored = added === 0 ? user : await this.#store.update((tx) => this.#merge(tx, user))
    this.#cache.set(user.username, stored)
    return stored
  }

  /**
   * Another process may have stored more or less of the chain meanwhile: the shorter one has to begin the
   * longer.
   */
  async #merge(tx: StoreTransaction, user: StoredUser): Promise<StoredUser> {
    const stored = await tx.get<StoredUser>(name(user.username))
    const common = Math.min(stored?.sequence ?? 0, user.sequence)
    if (stored !== undefined && stored.hashes[common - 1] !== user.hashes[common - 1])
      throw untrusted('forked-chain', `${user.username}'s chain is not the one that was seen before.`)
    if (stored !== undefined && stored.sequence >= user.sequence) return stored
    tx.set(name(user.username), user)
    await this.#trust.pinOnFirstUse(tx, user)
    await bumpChainRevision(tx)
    return user
  }
}

function name(username: string): string {
  return `user/${username}`
}

/**
 * Public keys by fingerprint: those stored, and those served now. None is trusted before the chain names it.
 */
async function readKeys(profile: Profile, before: StoredUser | undefined): Promise<Map<string, string>> {
  const keys = new Map(Object.entries(before?.keys ?? {}))
  const served = profile.devices.flatMap(({ signingKey, encryptionKey }) => [signingKey, encryptionKey])
  for (const pem of [...served, ...profile.retiredSigningKeys]) keys.set(await fingerprint(pem), pem)
  return keys
}

/** The devices that the server lists have to be those of the chain. */
async function requireSameDevices(chain: UserChain, profile: Profile): Promise<void> {
  const whose = `of ${chain.user}`
  if (profile.root !== chain.root)
    throw untrusted('second-root', `The root shown ${whose} is not the chain's.`)
  for (const shown of profile.devices) {
    const device = chain.devices.get(shown.id)
    if (device === undefined) {
      if (chain.retired.has(shown.id))
        throw untrusted('forked-chain', `The server shows a device ${whose} that was revoked.`)
      throw untrusted(
        'ghost-device',
        `The server shows a device ${whose} that is not in the chain: ${shown.id}.`
      )
    }
    if (shown.encryptionVersion < device.encryptionVersion)
      throw untrusted('downgraded-key', `The server shows an older encryption key ${whose}.`)
    const same =
      (await fingerprint(shown.signingKey)) === device.signingKey &&
      (await fingerprint(shown.encryptionKey)) === device.encryptionKey
    if (!same) throw untrusted('swapped-key', `The server shows keys ${whose} that are not the chain's.`)
  }
  if (profile.devices.length !== chain.devices.size)
    throw untrusted('forked-chain', `The server does not show all devices ${whose}.`)
}
