import type { UserHistory } from '../../protocol/user-history.js'
import { forkedChain, replacedChain } from '../errors.js'
import { LruMap } from '../stores/lru-map.js'
import type { Store, StoreTransaction } from '../stores/store.js'
import { forgetDoubt } from './chain-doubts.js'
import { bumpChainRevision, chainRevision } from './chain-revision.js'
import type { Alarms } from './alarms.js'
import { forgetHeads, type HeardHeads } from './heard-heads.js'
import type { OwnDevice } from './own-device.js'
import type { PublicKeys } from './public-keys.js'
import { newestRoot, type TrustStore } from './trust-store.js'
import { deleteChain, readEnd, readHash, readHistory, saveStatements } from './user-record.js'
import type { VerifiedStatement } from './verify-user-chain.js'

export interface Extension {
  username: string
  history: UserHistory
  added: readonly VerifiedStatement[]
}

/** This client's copies of users' chains, all verified: in the store, and some of them in memory. */
export class UserCopies {
  readonly #store: Store
  readonly #me: OwnDevice
  readonly #trust: TrustStore
  readonly #keys: PublicKeys
  readonly #alarms: Alarms
  readonly #heads: HeardHeads
  readonly #cache = new LruMap<string, UserHistory>(2048)
  /** The revision of the chains that `#cache` was read from. */
  #revision = 0

  constructor(
    store: Store,
    me: OwnDevice,
    trust: TrustStore,
    keys: PublicKeys,
    alarms: Alarms,
    heads: HeardHeads
  ) {
    this.#store = store
    this.#me = me
    this.#trust = trust
    this.#keys = keys
    this.#alarms = alarms
    this.#heads = heads
  }

  async get(username: string): Promise<UserHistory | undefined> {
    const cached = this.#cache.get(username)
    if (cached !== undefined) return cached
    const stored = await readHistory(this.#store, username)
    // It may have grown meanwhile.
    const newer = this.#cache.get(username)
    if (newer !== undefined) return newer
    if (stored !== undefined) this.#cache.set(username, stored)
    return stored
  }

  /** Read again what other processes may have stored. */
  async refresh(): Promise<void> {
    const revision = await chainRevision(this.#store)
    if (revision !== this.#revision) this.#cache.clear()
    this.#revision = revision
  }

  /**
   * Store what extends the copies, and pin users who are met for the first time.
   *
   * @throws {ChatError} `forked-chain` (`untrusted`) if another process has stored another chain meanwhile;
   *   `busy-chain` (`unreachable`) if they follow a chain that the person has given up meanwhile
   */
  async extend(extensions: readonly Extension[]): Promise<void> {
    const changed = extensions.filter(({ added }) => added.length > 0)
    if (changed.length === 0) return
    const ahead = await this.#store.update(async (tx) => {
      const others: string[] = []
      for (const extension of changed) {
        const { username, history } = extension
        const isBehind = await this.#save(tx, extension)
        await this.#tellNewRoot(tx, username, history)
        if (isBehind) others.push(username)
        // The words of a device fall with it.
        else if (username === this.#me.account?.username) await this.#trust.keepHeardFrom(tx, history)
      }
      await bumpChainRevision(tx)
      return others
    })
    for (const { username, history } of changed) this.#cache.set(username, history)
    for (const username of ahead) this.#cache.delete(username)
    for (const { username, history } of changed)
      await this.#heads.compare(
        { username },
        () => true,
        (sequence) => history.hashes[sequence - 1]
      )
  }

  /** The person takes another chain in the place of the copy: safety numbers have to be compared again. */
  async replace({ username, history, added }: Extension): Promise<void> {
    await this.#store.update(async (tx) => {
      await deleteChain(tx, username)
      await forgetHeads(tx, username)
      forgetDoubt(tx, username)
      await this.#saveNew(tx, username, added)
      await this.#trust.unverify(tx, username, history)
      await bumpChainRevision(tx)
    })
    this.#cache.set(username, history)
  }

  /** Forget everything that is held in memory. */
  clear(): void {
    this.#cache.clear()
  }

  /** Returns whether another process has stored more of the chain. The shorter one has to begin the longer. */
  async #save(tx: StoreTransaction, { username, history, added }: Extension): Promise<boolean> {
    const end = await readEnd(tx, username)
    const { hashes, chain } = history
    const { sequence: first } = added[0]!.statement
    if (first > 1 && (await readHash(tx, username, first - 1)) !== hashes[first - 2])
      throw replacedChain(username)
    if (end !== undefined && end.sequence >= chain.sequence) {
      const known = await readHash(tx, username, chain.sequence)
      if (known !== chain.head) throw forkedChain(username, { known: end.head, served: chain.head })
      return end.sequence > chain.sequence
    }
    if (end !== undefined && hashes[end.sequence - 1] !== end.head)
      throw forkedChain(username, { known: end.head, served: chain.head })
    await this.#saveNew(tx, username, added)
    if (end === undefined) await this.#trust.pinOnFirstUse(tx, username, history)
    return false
  }

  /** The reset may come with any look, and not only with its own event. */
  async #tellNewRoot(tx: StoreTransaction, username: string, history: UserHistory): Promise<void> {
    const trust = await this.#trust.of(username, tx)
    const { root, since } = newestRoot(history)
    if (trust === undefined || trust.since >= since || username === this.#me.account?.username) return
    const wasVerified = trust.verified
    await this.#alarms.tellOnceIn(tx, `identity-changed/${username}/${root}`, {
      type: 'identity-changed',
      username,
      root,
      wasVerified
    })
  }

  async #saveNew(tx: StoreTransaction, username: string, added: readonly VerifiedStatement[]): Promise<void> {
    saveStatements(tx, username, added)
    for (const { statement } of added)
      if ('signingKey' in statement) this.#keys.save(tx, statement.signingKey)
  }
}
