import { ChatError, untrusted } from '../errors.js'
import { endOfLog } from '../events/cursor.js'
import { isRetired, publicDevice, type DeviceKeys } from '../identity/device-keys.js'
import type { OwnDevice } from '../identity/own-device.js'
import { requireStanding, standingOf } from '../identity/standing.js'
import type { TrustStore } from '../identity/trust-store.js'
import type { UserChains } from '../identity/user-chains.js'
import { skipTo } from '../stores/read-range.js'
import type { Store, StoreTransaction } from '../stores/store.js'
import { sleep } from '../transport/abort.js'
import type { Api } from '../transport/api.js'
import type { Http } from '../transport/http.js'
import type { Account, Credentials, Login, LoginResult } from '../types/account.js'
import type { Linking } from './linking.js'
import type { ResetStatement } from './reset-statement.js'
import { ownCredentials, signIn, signInAs } from './sign-in.js'

const POLL_MS = 2000
/** How long the server may take to end the session of a device whose keys are to be destroyed. */
const FORGETTING_TIMEOUT_MS = 10_000

/** Log-in and log-out, the approval of this device, and the reset of an account. */
export class Auth {
  readonly #http: Http
  readonly #api: Api
  readonly #store: Store
  readonly #me: OwnDevice
  readonly #users: UserChains
  readonly #trust: TrustStore
  readonly #reset: ResetStatement
  readonly #linking: Linking
  readonly #random: () => number
  /** The parts that hold something of the account in memory. */
  readonly #caches: readonly { clear: () => void }[]

  constructor(
    http: Http,
    api: Api,
    store: Store,
    me: OwnDevice,
    users: UserChains,
    trust: TrustStore,
    reset: ResetStatement,
    linking: Linking,
    random: () => number,
    caches: readonly { clear: () => void }[]
  ) {
    this.#http = http
    this.#api = api
    this.#store = store
    this.#me = me
    this.#users = users
    this.#trust = trust
    this.#reset = reset
    this.#linking = linking
    this.#random = random
    this.#caches = caches
  }

  get account(): Account | null {
    const { account, device, standing } = this.#me
    if (account === null || device === null) return null
    const { username, userId, deviceId } = account
    const { fingerprint } = device.signing
    const status = standing === 'revoked' || standing === 'displaced' ? standing : account.status
    return { username, userId, deviceId, fingerprint, status, loggedIn: this.#api.loggedIn }
  }

  async login({ asNewDevice = false, ...given }: Login): Promise<LoginResult> {
    const credentials = ownCredentials(given, this.#me)
    const { device } = this.#me
    const isOwn = device?.username === credentials.username
    if (isOwn && (await this.#resumeDevice(credentials, device, asNewDevice)))
      return { status: 'active', deviceId: this.#me.device!.id }
    return this.#requestApproval({ ...(isOwn && { deviceName: device.name }), ...credentials })
  }

  async logout({ forget = false }: { forget?: boolean } = {}): Promise<{ isEnded: boolean }> {
    let isEnded = true
    if (this.#api.loggedIn) {
      const request = { method: 'POST', path: '/v1/auth/logout' } as const
      const once = { once: true, timeout: FORGETTING_TIMEOUT_MS }
      await this.#api.call({ ...request, ...(forget && once) }).catch((error: unknown) => {
        if (!(error instanceof ChatError)) throw error
        if (error.kind === 'logged-out') return
        // Nobody has the tokens after this: the keys must not stay because the server is away.
        if (!forget || error.kind === 'store') throw error
        isEnded = false
      })
      await this.#api.end()
    }
    if (!forget) return { isEnded }
    await this.#me.forget()
    for (const cache of this.#caches) cache.clear()
    return { isEnded }
  }

  /** All other devices are lost: begin again with this one, under a new root. */
  async reset(given: Credentials): Promise<Account> {
    const credentials = ownCredentials(given, this.#me)
    const { username, deviceName = 'device' } = credentials
    const session = await signIn(this.#http, credentials)
    const isActive = this.#me.account?.status === 'active'
    await this.#api.begin(session, { isForReset: isActive })
    const device = isActive
      ? await this.#me.prepareSuccessor(username, deviceName)
      : await this.#me.prepare(username, deviceName)
    // The device of this store gives way to its successor when the chain shows that.
    const wasInChain = await this.#reset.post(device)
    // The statement came into the chain with an earlier session: this one has no device yet.
    if (wasInChain) await this.#api.begin(await signIn(this.#http, credentials, device.id))
    else await this.#api.resetEnded()
    // No other device is left to tell whom the user trusts.
    await this.#store.update((tx) => this.#trust.stopWaiting(tx))
    return this.activate(device, session.user.id, 'end-always')
  }

  /** The number that the person compares with the one that another of their devices shows. */
  async linkNumber(): Promise<string> {
    return this.#linking.number(this.#waiting())
  }

  async confirmLink(number: string): Promise<void> {
    this.#waiting()
    await this.#linking.confirm(number)
  }

  /** Poll until another device has approved this one, and the person has confirmed the link number. */
  async waitForApproval(signal: AbortSignal, onNumber: (number: string) => void): Promise<void> {
    for (let shown = ''; this.#me.account?.status !== 'active';) {
      signal.throwIfAborted()
      const device = this.#waiting()
      if (await this.#linking.isLinked(device)) {
        await this.activate(device, this.#me.account!.userId, 'end')
        return
      }
      const number = await this.#linking.number(device)
      if (number !== shown) onNumber(number)
      shown = number
      await this.#linking.ask(device)
      await sleep(POLL_MS * (0.75 + this.#random() / 2), signal)
    }
  }

  /** Begin a session: without a device it may read the key backup. */
  async enter(given: Credentials, deviceId?: string): Promise<void> {
    await this.#api.begin(await signIn(this.#http, ownCredentials(given, this.#me), deviceId))
  }

  /** The device that waits for approval. */
  #waiting(): DeviceKeys {
    const { device, account } = this.#me
    if (device !== null && account?.status === 'pending') return device
    throw new ChatError('usage', 'no-account', 'Log in first: no device waits here.')
  }

  /** Begin a session without a device, and ask for the approval of one. */
  async #requestApproval(credentials: Credentials): Promise<LoginResult> {
    const { username, deviceName = 'device' } = credentials
    const session = await signIn(this.#http, credentials)
    const device = await this.#me.prepare(username, deviceName)
    await this.#api.begin(session)
    const userId = session.user.id
    await this.#me.saveAccount({ username, userId, deviceId: device.id, status: 'pending' })
    await this.#store.update((tx) => this.#trust.wait(tx))
    const linkNumber = await this.#linking.number(device)
    await this.#linking.begin(device)
    return { status: 'pending', deviceId: device.id, linkNumber }
  }

  /**
   * Begin a session as the device of this store. The server's word about the device is a hint: the verified
   * chain decides.
   *
   * @param asNewDevice whether a device that the chain has retired is given up
   * @returns false if the device is not in the chain yet, or was given up
   * @throws {ChatError} `displaced` or `revoked` (`untrusted`) if it is retired, and not given up
   */
  async #resumeDevice(credentials: Credentials, device: DeviceKeys, asNewDevice: boolean): Promise<boolean> {
    const bound = await signInAs(this.#http, credentials, device.id)
    let session = bound ?? (await signIn(this.#http, credentials))
    await this.#api.begin(session)
    await this.#users.sync([device.username])
    const history = await this.#users.get(device.username)
    if (isRetired(history, device)) {
      // The server can make a reset: only this device's own one, or the person, puts another in its place.
      if (!asNewDevice && this.#me.device?.id === device.id) {
        await this.logout()
        const { id, signing } = device
        requireStanding(standingOf(history, { id, signingKey: signing.fingerprint }), device.username)
      }
      await this.#me.replaceRetired(history)
      return this.#me.device !== null && this.#resumeDevice(credentials, this.#me.device, asNewDevice)
    }
    const wasActive = this.#me.account?.status === 'active'
    if (!wasActive && !(await this.#linking.isLinked(device))) return false
    if (bound === null) {
      const again = await signInAs(this.#http, credentials, device.id)
      if (again === null)
        throw untrusted('forgotten-device', 'The server does not know this device, though its chain has it.')
      await this.#api.begin((session = again))
    }
    await this.activate(device, session.user.id, wasActive ? null : 'end')
    this.#me.active()
    return true
  }

  /**
   * @param start where the device's events begin: a cursor, `end` for now; null keeps the stored one. A device that is
   *   active in the store by now begins nowhere else, except with `end-always`: a reset makes it active before
   * @param also writes for the same transaction
   */
  async activate(
    device: DeviceKeys,
    userId: string,
    start: string | null,
    also?: (tx: StoreTransaction) => Promise<void>
  ): Promise<Account> {
    const { username, id: deviceId } = device
    const cursor = start?.startsWith('end') ? await endOfLog(this.#api) : start
    await this.#me.saveAccount({ username, userId, deviceId, status: 'active' }, async (tx, before) => {
      const wasActive = before?.status === 'active' && before.deviceId === deviceId
      if (cursor !== null && (start === 'end-always' || !wasActive)) await skipTo(tx, cursor)
      await also?.(tx)
    })
    await this.#users.guard()
    await this.#users.offerKeys([publicDevice(device)])
    return this.account!
  }
}
