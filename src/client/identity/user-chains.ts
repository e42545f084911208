import { Profile } from '../../protocol/accounts.js'
import { parseStatement, type UserStatement } from '../../protocol/statements.js'
import { extendUserChain, type UserChain } from '../../protocol/user-chain.js'
import type { SignedStatement } from '../../protocol/schema.js'
import { fingerprint, importEncryptionKey, importSigningKey } from '../../crypto/keys.js'
import { statementHash, verifyStatement } from '../../crypto/statements.js'
import type { Core } from '../core.js'
import { bumpChainRevision, chainRevision } from './chain-revision.js'
import { LruMap } from '../stores/lru-map.js'
import type { CryptoKey, StoreTransaction } from '../stores/store.js'
import { brokenRule, untrusted } from '../errors.js'
import { bindingsOf, fromStored, toStored, type StoredUser } from './user-record.js'

const KINDS = ['device-add', 'device-rekey', 'device-revoke', 'device-reset'] as const

export interface Synced {
  user: StoredUser
  /** What is new since the last time, in order. */
  added: UserStatement[]
}

/** Other users' chains, and the own one: verified statement by statement, kept, and only ever extended. */
export class UserChains {
  readonly #core: Core
  readonly #known = new LruMap<string, StoredUser>(2048)
  #growth = 0
  readonly #keys = new LruMap<string, Promise<CryptoKey>>(8192)
  readonly #underWay = new Map<string, Promise<Synced>>()

  constructor(core: Core) {
    this.#core = core
  }

  /** What is known of a user; asks the server only about users never met. */
  async get(username: string): Promise<StoredUser> {
    return (await this.peek(username)) ?? (await this.sync(username)).user
  }

  async peek(username: string): Promise<StoredUser | undefined> {
    const known = this.#known.get(username)
    if (known !== undefined) return known
    const stored = await this.#core.store.get<StoredUser>(name(username))
    if (stored !== undefined) this.#known.set(username, stored)
    return stored
  }

  /** See what other processes have learned. */
  async refresh(): Promise<void> {
    const growth = await chainRevision(this.#core.store)
    if (growth !== this.#growth) this.#known.clear()
    this.#growth = growth
  }

  /**
   * Fetch and verify what is new in a user's chain.
   *
   * @throws {ChatError} `user-not-found` (`refused`); `untrusted` if the chain does not stand
   */
  sync(username: string): Promise<Synced> {
    const present = this.#underWay.get(username)
    if (present !== undefined) return present
    const work = this.#sync(username)
      .catch((error: unknown) => {
        throw brokenRule(error, `What the server shows of ${username}`)
      })
      .finally(() => this.#underWay.delete(username))
    this.#underWay.set(username, work)
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
        throw brokenRule(error, `A key of ${user.username}`)
      })
      key.catch(() => this.#keys.delete(print))
      this.#keys.set(print, key)
    }
    return key
  }

  async #sync(username: string): Promise<Synced> {
    const before = await this.#core.store.get<StoredUser>(name(username))
    const after = before?.sequence ?? 0
    const path = `/v1/users/${encodeURIComponent(username)}?after=${after}`
    const { body } = await this.#core.tokens.call({ method: 'GET', path, response: Profile })
    if (body.user.username !== username || (before !== undefined && before.userId !== body.user.id))
      throw untrusted('other-answer', `The server shows another user for ${username}.`)
    const keys = await readKeys(body, before)
    let chain = before === undefined ? null : fromStored(before)
    const hashes = [...(before?.hashes ?? [])]
    const bindings = [...(before?.bindings ?? [])]
    const added: UserStatement[] = []
    for (const signed of body.chain) {
      const statement = await this.#extension(username, chain, signed, keys)
      chain = statement.chain
      hashes.push(chain.head)
      bindings.push(...bindingsOf(statement.statement, chain.root))
      added.push(statement.statement)
    }
    if (chain === null) throw untrusted('forked-chain', `The server shows no chain of ${username}.`)
    await requireServed(chain, body)
    const user = toStored(body.user.id, chain, { hashes, bindings }, keys)
    return { user: await this.#keep(user, added.length), added }
  }

  async #extension(
    username: string,
    chain: UserChain | null,
    signed: SignedStatement,
    keys: ReadonlyMap<string, string>
  ): Promise<{ chain: UserChain; statement: UserStatement }> {
    const what = `A statement of ${username}'s chain`
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
      throw brokenRule(error, what)
    }
  }

  async #keep(user: StoredUser, added: number): Promise<StoredUser> {
    const kept = added === 0 ? user : await this.#core.store.update((tx) => this.#merge(tx, user))
    this.#known.set(user.username, kept)
    return kept
  }

  /** Another process may have kept more or less of the chain meanwhile: one has to begin with the other. */
  async #merge(tx: StoreTransaction, user: StoredUser): Promise<StoredUser> {
    const stored = await tx.get<StoredUser>(name(user.username))
    const common = Math.min(stored?.sequence ?? 0, user.sequence)
    if (stored !== undefined && stored.hashes[common - 1] !== user.hashes[common - 1])
      throw untrusted('forked-chain', `${user.username}'s chain is not the one that was seen before.`)
    if (stored !== undefined && stored.sequence >= user.sequence) return stored
    tx.set(name(user.username), user)
    await this.#core.pins.pinOnFirstUse(tx, user)
    await bumpChainRevision(tx)
    return user
  }
}

function name(username: string): string {
  return `user/${username}`
}

/** Public keys by their fingerprints: what was kept, and what is served now, none of which is trusted by itself. */
async function readKeys(profile: Profile, before: StoredUser | undefined): Promise<Map<string, string>> {
  const keys = new Map(Object.entries(before?.keys ?? {}))
  const served = profile.devices.flatMap(({ signingKey, encryptionKey }) => [signingKey, encryptionKey])
  for (const pem of [...served, ...profile.retiredSigningKeys]) keys.set(await fingerprint(pem), pem)
  return keys
}

/** What the server lists has to be what the chain says. */
async function requireServed(chain: UserChain, profile: Profile): Promise<void> {
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
