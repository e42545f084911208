import { Profile } from '../../protocol/accounts.js'
import type { PublicDevice } from '../../protocol/devices.js'
import type { RosterDevice } from '../../protocol/roster.js'
import { RuleViolation } from '../../protocol/rule-violation.js'
import type { SignedStatement } from '../../protocol/schema.js'
import type { UserHistory } from '../../protocol/user-history.js'
import { CryptoError } from '../../crypto/errors.js'
import { statementHash } from '../../crypto/statements.js'
import type { WrapRecipient } from '../../crypto/wraps.js'
import { ChatError, toUntrusted, untrusted } from '../errors.js'
import type { CryptoKey, Store } from '../stores/store.js'
import type { Api } from '../transport/api.js'
import type { Alarms } from './alarms.js'
import type { ChainDoubts } from './chain-doubts.js'
import { ChainLooks } from './chain-looks.js'
import type { HeardHeads } from './heard-heads.js'
import type { OwnDevice } from './own-device.js'
import type { PublicKeys } from './public-keys.js'
import { ShownChains } from './shown-chains.js'
import { standingAlarm } from './standing.js'
import type { TrustStore } from './trust-store.js'
import { UserCopies } from './user-copies.js'
import { verifyUserChain } from './verify-user-chain.js'

/**
 * The chains of all users, this one's too: verified statement by statement, stored, and only ever extended.
 * If the server shows anything else, that is told, and changes nothing (docs/protocol.md, "What a client
 * believes").
 */
export class UserChains {
  /** What the server shows, without a copy. */
  readonly shown: ShownChains
  readonly #api: Api
  readonly #me: OwnDevice
  readonly #keys: PublicKeys
  readonly #alarms: Alarms
  readonly #heads: HeardHeads
  readonly #doubts: ChainDoubts
  readonly #copies: UserCopies
  readonly #looks: ChainLooks

  constructor(
    api: Api,
    store: Store,
    me: OwnDevice,
    trust: TrustStore,
    keys: PublicKeys,
    alarms: Alarms,
    heads: HeardHeads,
    doubts: ChainDoubts
  ) {
    this.#api = api
    this.#me = me
    this.#keys = keys
    this.#alarms = alarms
    this.#heads = heads
    this.#doubts = doubts
    this.#copies = new UserCopies(store, me, trust, keys, alarms, heads)
    this.shown = new ShownChains(api, this.#copies, keys)
    this.#looks = new ChainLooks(api, store, me, this.#copies, keys, alarms, doubts)
  }

  /** A user as known here; asks the server only about users never met, and pins their root. */
  async get(username: string): Promise<UserHistory> {
    const known = await this.peek(username)
    if (known !== undefined) return known
    await this.sync([username])
    return (await this.peek(username))!
  }

  /** A user as known here. */
  peek(username: string): Promise<UserHistory | undefined> {
    return this.#copies.get(username)
  }

  /**
   * Look at the server's chains of these users, in a request that begins after this call, and verify what is
   * new.
   *
   * @throws {ChatError} for the first user whose chain is refused, after all were looked at: `user-not-found`
   *   (`refused`); `forked-chain` or another `untrusted` code
   */
  async sync(usernames: readonly string[]): Promise<void> {
    const failures = await this.#looks.at(usernames)
    if (usernames.includes(this.#me.account?.username ?? '')) await this.#afterOwn()
    for (const username of usernames) if (failures.has(username)) throw failures.get(username)
  }

  /** Call this when a look, and not the stream, shows that a device of a user has gone. */
  whenGone(tell: (username: string) => void): void {
    this.#looks.whenGone(tell)
  }

  /**
   * The statement of a `device.chain` event: applied if it is the next one, else the chain is looked at. That of a
   * user who was never met is looked at, and not stored.
   *
   * @throws {ChatError} `forged-event` (`untrusted`) if the chain does not hold the statement
   */
  async take(username: string, signed: SignedStatement, sequence: number): Promise<UserHistory> {
    const hash = await statementHash(signed.text)
    const known = await this.peek(username)
    if (known?.chain.sequence === sequence - 1) await this.#apply(username, known, signed)
    const isThere = (await this.peek(username))?.hashes[sequence - 1] === hash
    if (known !== undefined && !isThere) await this.sync([username])
    else if (username === this.#me.account?.username) await this.#afterOwn()
    const history = (await this.peek(username)) ?? (await this.shown.of(username)).history
    if (history.hashes[sequence - 1] === hash) return history
    throw untrusted('forged-event', `${username}'s chain does not hold what an event says of it.`)
  }

  /** The public signing key of a device in a verified chain. @param print its fingerprint */
  signingKey(print: string): Promise<CryptoKey> {
    return this.#keys.signing(print)
  }

  /** Take public keys from an answer of the server. They count only where a verified chain names them. */
  async offerKeys(
    devices: readonly Pick<PublicDevice, 'signingKey' | 'encryptionKey' | 'kemKey'>[]
  ): Promise<void> {
    try {
      await this.#keys.offer(devices)
    } catch (error) {
      throw toUntrusted(error, 'A public key that the server shows')
    }
    const own = await this.#ownHistory()
    if (own !== undefined) await this.#keys.keep(own)
  }

  /**
   * The keys of a device to wrap a session key for.
   *
   * @param device as a verified chain says
   * @throws {ChatError} `missing-key` (`untrusted`) if the server does not serve its keys
   */
  async recipient({ username, signingKey, encryptionKey, kemKey }: RosterDevice): Promise<WrapRecipient> {
    const needed = kemKey === '-' ? [encryptionKey] : [encryptionKey, kemKey]
    const texts = await Promise.all(needed.map((print) => this.#keys.text(print)))
    if (texts.includes(undefined)) await this.#fetchKeys(username)
    return {
      signingKey,
      encryptionKey: await this.#keys.encryption(encryptionKey),
      kemKey: kemKey === '-' ? undefined : await this.#keys.kem(kemKey)
    }
  }

  /** Whether the last look at a user's chain has shown less than the copy, or something else. */
  async isInDoubt(username: string): Promise<boolean> {
    return (await this.#doubts.of(username)) !== undefined
  }

  /**
   * Nothing is sealed for a user whose chain the server shows otherwise than it was seen.
   *
   * @throws {ChatError} `server-behind` or `forked-chain` (`untrusted`)
   */
  async requireCurrent(usernames: Iterable<string>): Promise<void> {
    for (const username of usernames) {
      const trouble = await this.#doubts.trouble(username)
      if (trouble !== undefined) throw trouble
    }
  }

  /**
   * The server's chain takes the place of the copy. Safety numbers have to be compared again.
   *
   * @param isMeant whether it is the chain that the person takes
   * @throws {ChatError} `other-head` (`usage`) if the server shows another one by now
   */
  async accept(username: string, isMeant: (history: UserHistory) => boolean): Promise<void> {
    const { history, added } = await this.shown.of(username)
    if (!isMeant(history))
      throw new ChatError('usage', 'other-head', `The server shows another chain of ${username} by now.`)
    await this.#copies.replace({ username, history, added })
    await this.#looks.isWhole(username)
    await this.#heads.accepted({ username })
  }

  /** Find out how this device stands in the copy of its user's chain. An alarm tells if it is out. */
  async guard(): Promise<void> {
    await this.refresh()
    if (this.#me.account?.status === 'active') await this.#judge(await this.get(this.#me.account.username))
  }

  /** The same at the start, without the server. */
  async guardStored(): Promise<void> {
    const { account } = this.#me
    const history = account?.status === 'active' ? await this.peek(account.username) : undefined
    if (history !== undefined) await this.#judge(history)
  }

  async #judge(history: UserHistory): Promise<void> {
    const standing = await this.#me.follow(history)
    if (standing === 'displaced' || standing === 'revoked')
      this.#alarms.raise(standingAlarm(standing, history.chain.user))
  }

  /** Read again what other processes may have stored. */
  refresh(): Promise<void> {
    return this.#copies.refresh()
  }

  /** Forget everything that is held in memory. */
  clear(): void {
    this.#copies.clear()
    this.#looks.clear()
    this.#keys.clear()
  }

  /** The own chain may have grown. A server that loses its end later can be given it with the keys. */
  async #afterOwn(): Promise<void> {
    await this.guard()
    const own = await this.#ownHistory()
    if (own === undefined || this.#keys.hasKept(own)) return
    await this.#fetchKeys(own.chain.user).catch((error: unknown) => {
      if (!(error instanceof ChatError)) throw error
    })
  }

  async #ownHistory(): Promise<UserHistory | undefined> {
    const { account } = this.#me
    return account?.status === 'active' ? this.peek(account.username) : undefined
  }

  async #fetchKeys(username: string): Promise<void> {
    const path = `/v1/users/${encodeURIComponent(username)}`
    await this.offerKeys((await this.#api.call({ method: 'GET', path, response: Profile })).body.devices)
  }

  /** Apply the next statement without a look, if its signers are known here. */
  async #apply(username: string, known: UserHistory, signed: SignedStatement): Promise<void> {
    const pems = new Map<string, string>()
    for (const print of Object.keys(signed.signatures)) {
      const pem = await this.#keys.text(print)
      if (pem !== undefined) pems.set(print, pem)
    }
    try {
      const { history, added } = await verifyUserChain(username, known, [signed], pems)
      await this.#copies.extend([{ username, history: history!, added }])
    } catch (error) {
      // The look that follows says what is wrong.
      if (!(error instanceof CryptoError) && !(error instanceof RuleViolation)) throw error
    }
  }
}
