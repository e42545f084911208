import { AuthResponse } from '../../protocol/accounts.js'
import { DevicePage, DeviceResponse } from '../../protocol/devices.js'
import { EventPage } from '../../protocol/events.js'
import { ChatError, isRefusal, untrusted } from '../errors.js'
import { saveCursor } from '../events/cursor.js'
import { EMPTY_CHAIN, newDevice } from '../identity/device-statements.js'
import type { DeviceKeys, OwnDevice } from '../identity/own-device.js'
import type { TrustStore } from '../identity/trust-store.js'
import type { UserChains } from '../identity/user-chains.js'
import type { Store } from '../stores/store.js'
import { sleep } from '../transport/abort.js'
import type { Api } from '../transport/api.js'
import type { Http } from '../transport/http.js'
import type { Account, Credentials, LoginResult } from '../types/account.js'

const POLL_MS = 2000

/** Registration, log-in and log-out, the approval of this device, and the reset of an account. */
export class Auth {
  readonly #http: Http
  readonly #api: Api
  readonly #store: Store
  readonly #me: OwnDevice
  readonly #users: UserChains
  readonly #trust: TrustStore
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
    random: () => number,
    caches: readonly { clear: () => void }[]
  ) {
    this.#http = http
    this.#api = api
    this.#store = store
    this.#me = me
    this.#users = users
    this.#trust = trust
    this.#random = random
    this.#caches = caches
  }

  get account(): Account | null {
    const { account, device } = this.#me
    if (account === null || device === null) return null
    const { username, userId, deviceId, status } = account
    const { fingerprint } = device.signing
    return { username, userId, deviceId, fingerprint, status, loggedIn: this.#api.loggedIn }
  }

  async register(credentials: Credentials): Promise<Account> {
    const username = this.#requireOwn(credentials.username)
    const device = await this.#me.prepare(username, credentials.deviceName ?? 'device')
    const body = {
      username,
      password: credentials.password,
      device: await newDevice('device-add', device, EMPTY_CHAIN)
    }
    const path = '/v1/auth/register'
    try {
      const response = await this.#http.call({
        method: 'POST',
        path,
        body,
        response: AuthResponse,
        once: true
      })
      return await this.#activate(response.body, device, '0')
    } catch (error) {
      if (!isRefusal(error, 'username-taken')) throw error
      // This device may have taken the name itself, and the response was lost.
      const signIn = await this.#signIn(credentials, device.id).catch(() => null)
      if (signIn === null) throw error
      return this.#activate(signIn, device, '0')
    }
  }

  async login(credentials: Credentials): Promise<LoginResult> {
    const username = this.#requireOwn(credentials.username)
    const { device, account } = this.#me
    if (device?.username === username) {
      const wasActive = account?.status === 'active'
      const signIn = await this.#signInDevice(credentials, device, wasActive)
      if (signIn !== null) {
        await this.#activate(signIn, device, wasActive ? null : 'end')
        return { status: 'active', deviceId: device.id }
      }
    }
    return this.#requestApproval(credentials, username)
  }

  async logout({ forget = false }: { forget?: boolean } = {}): Promise<void> {
    if (this.#api.loggedIn) {
      const request = { method: 'POST', path: '/v1/auth/logout' } as const
      await this.#api.call(request).catch((error: unknown) => {
        if (!(error instanceof ChatError) || error.kind !== 'logged-out') throw error
      })
      await this.#api.end()
    }
    if (!forget) return
    await this.#me.forget()
    for (const cache of this.#caches) cache.clear()
  }

  /** All other devices are lost: begin again with this one, under a new root. */
  async reset(credentials: Credentials): Promise<Account> {
    const username = this.#requireOwn(credentials.username)
    const signIn = await this.#signIn(credentials)
    if (this.#me.account?.status === 'active') await this.#me.dropDevice()
    const device = await this.#me.prepare(username, credentials.deviceName ?? 'device')
    await this.#api.begin(signIn)
    const { user } = await this.#users.sync(username)
    const body = await newDevice('device-reset', device, user)
    await this.#api.call({ method: 'POST', path: '/v1/devices', body, response: DeviceResponse })
    const account = await this.#activate({ ...signIn, device: null }, device, 'end')
    // The user has made this new identity, and so need not accept it.
    const { root } = (await this.#users.sync(username)).user
    await this.#trust.set({ username, root, verified: false })
    return account
  }

  /** Poll until another device has approved this one. */
  async waitForApproval(signal: AbortSignal): Promise<void> {
    while (this.#me.account?.status !== 'active') {
      signal.throwIfAborted()
      const { device, account } = this.#me
      if (device === null || account === null)
        throw new ChatError('usage', 'no-account', 'Log in first: no device waits here.')
      const request = { method: 'GET', path: '/v1/devices', response: DevicePage, signal } as const
      const { items } = (await this.#api.call(request)).body
      const own = items.find(({ id }) => id === device.id)
      if (own?.status === 'active') {
        await this.#requireBound(device)
        await this.#me.saveAccount({ ...account, status: 'active' })
        return this.#startEvents('end')
      }
      if (own?.status !== 'pending')
        throw new ChatError('refused', 'device-not-found', 'The device was turned down, or forgotten.', {
          hint: 'Log in to ask again.'
        })
      // Its statement has to follow the newest one of the chain.
      await this.#introduce(device)
      await sleep(POLL_MS * (0.75 + this.#random() / 2), signal)
    }
  }

  /** Begin a session without a device, which may read the key backup. */
  async enter(credentials: Credentials): Promise<void> {
    this.#requireOwn(credentials.username)
    await this.#api.begin(await this.#signIn(credentials))
  }

  /** Begin a session without a device, and ask for the approval of one. */
  async #requestApproval(credentials: Credentials, username: string): Promise<LoginResult> {
    const signIn = await this.#signIn(credentials)
    const device = await this.#me.prepare(username, credentials.deviceName ?? 'device')
    await this.#api.begin(signIn)
    const userId = signIn.user.id
    await this.#me.saveAccount({ username, userId, deviceId: device.id, status: 'pending' })
    await this.#introduce(device)
    return { status: 'pending', deviceId: device.id, fingerprint: device.signing.fingerprint }
  }

  /** The user's chain has to name the keys that this device has made. */
  async #requireBound(device: DeviceKeys): Promise<void> {
    const { user } = await this.#users.sync(device.username)
    const bound = user.devices.find(({ id }) => id === device.id)
    const isCurrent = [device.encryption, device.next].some(
      (pair) => pair?.fingerprint === bound?.encryptionKey
    )
    if (bound?.signingKey !== device.signing.fingerprint || !isCurrent)
      throw untrusted('swapped-key', 'The server has other keys for this device than it has made.')
  }

  async #introduce(device: DeviceKeys): Promise<void> {
    const { user } = await this.#users.sync(device.username)
    if (user.devices.some(({ id }) => id === device.id)) return
    const body = await newDevice('device-add', device, user)
    const request = { method: 'POST', path: '/v1/devices', body, response: DeviceResponse } as const
    await this.#api.call(request).catch((error: unknown) => {
      // The chain has moved on: the next poll introduces the device again.
      if (!isRefusal(error, 'stale-chain')) throw error
    })
  }

  async #signIn({ username, password }: Credentials, deviceId?: string): Promise<AuthResponse> {
    const body = { username, password, ...(deviceId !== undefined && { deviceId }) }
    const request = {
      method: 'POST',
      path: '/v1/auth/login',
      body,
      response: AuthResponse,
      once: true
    } as const
    return (await this.#http.call(request)).body
  }

  /** A session for the device of this store; null if it is not an active device of the account. */
  async #signInDevice(
    credentials: Credentials,
    device: DeviceKeys,
    wasActive: boolean
  ): Promise<AuthResponse | null> {
    try {
      return await this.#signIn(credentials, device.id)
    } catch (error) {
      if (!isRefusal(error, 'device-not-found', 'device-pending')) throw error
      // The device was revoked, which is for ever.
      if (error.code === 'device-not-found' && wasActive) await this.#me.dropDevice()
      return null
    }
  }

  /** @param start where the device's events begin: a cursor, `end` for now; null keeps the stored one */
  async #activate(signIn: AuthResponse, device: DeviceKeys, start: string | null): Promise<Account> {
    const { id: userId, username } = signIn.user
    await this.#api.begin(signIn)
    await this.#me.saveAccount({ username, userId, deviceId: device.id, status: 'active' })
    await this.#requireBound(device)
    if (start !== null) await this.#startEvents(start)
    return this.account!
  }

  async #startEvents(start: string): Promise<void> {
    let cursor = start
    if (start === 'end') {
      const request = { method: 'GET', path: '/v1/events?limit=1', response: EventPage } as const
      cursor = (await this.#api.call(request)).body.cursor
    }
    await saveCursor(this.#store, cursor)
  }

  /** @throws {ChatError} `other-account` if the store belongs to another user */
  #requireOwn(given: string): string {
    const username = given.toLowerCase()
    const owner = this.#me.account?.username
    if (owner !== undefined && owner !== username)
      throw new ChatError('usage', 'other-account', `This store belongs to ${owner}.`, {
        hint: 'Use another store, or log out and forget this device.'
      })
    return username
  }
}
