import { SignIn } from '../../protocol/accounts.js'
import { DeviceResponse, DevicePage } from '../../protocol/devices.js'
import { EventPage } from '../../protocol/events.js'
import type { Credentials, LoginResult } from '../types/account.js'
import { saveCursor } from '../events/cursor.js'
import type { Core } from '../core.js'
import { BEGINNING, newDevice } from '../identity/device-statements.js'
import { ChatError, RefusedError, untrusted } from '../errors.js'
import { sleep } from '../transport/abort.js'
import type { DeviceKeys, StoredAccount } from '../identity/own-device.js'

const POLL_MS = 2000

/** How a user and a device come in: registration, log-in, a new device, a reset. */
export class Auth {
  readonly #core: Core

  constructor(core: Core) {
    this.#core = core
  }

  async register(who: Credentials): Promise<StoredAccount> {
    const username = this.#own(who.username)
    const device = await this.#core.identity.prepare(username, who.deviceName ?? 'device')
    const body = {
      username,
      password: who.password,
      device: await newDevice('device-add', device, BEGINNING)
    }
    try {
      const request = {
        method: 'POST',
        path: '/v1/auth/register',
        body,
        response: SignIn,
        once: true
      } as const
      const answer = await this.#core.http.call(request)
      return await this.#admit(answer.body, device, '0')
    } catch (error) {
      if (!(error instanceof RefusedError) || error.code !== 'username-taken') throw error
      // It may be this very device that has taken it, and the answer was lost.
      const answer = await this.#logIn(who, device.id).catch(() => null)
      if (answer === null) throw error
      return this.#admit(answer, device, '0')
    }
  }

  async login(who: Credentials): Promise<LoginResult> {
    const username = this.#own(who.username)
    const { device, account } = this.#core.identity
    if (device?.username === username) {
      const wasActive = account?.status === 'active'
      const answer = await this.#knownDevice(who, device, wasActive)
      if (answer !== null) {
        await this.#admit(answer, device, wasActive ? null : 'end')
        return { status: 'active', deviceId: device.id }
      }
    }
    return this.#ask(who, username)
  }

  /** A session for the device of this store; null if the account does not know it, or not as an active one. */
  async #knownDevice(who: Credentials, device: DeviceKeys, wasActive: boolean): Promise<SignIn | null> {
    try {
      return await this.#logIn(who, device.id)
    } catch (error) {
      const isOut = error instanceof RefusedError && error.code === 'device-not-found'
      const isPending = error instanceof RefusedError && error.code === 'device-pending'
      if (!isOut && !isPending) throw error
      // It was revoked: the account will never know it again.
      if (isOut && wasActive) await this.#core.identity.dropDevice()
      return null
    }
  }

  /** All other devices are lost: begin anew, under a new root. */
  async reset(who: Credentials): Promise<StoredAccount> {
    const username = this.#own(who.username)
    const answer = await this.#logIn(who)
    if (this.#core.identity.account?.status === 'active') await this.#core.identity.dropDevice()
    const device = await this.#core.identity.prepare(username, who.deviceName ?? 'device')
    await this.#core.tokens.begin(answer)
    const { user } = await this.#core.users.sync(username)
    const body = await newDevice('device-reset', device, user)
    await this.#core.tokens.call({ method: 'POST', path: '/v1/devices', body, response: DeviceResponse })
    const account = await this.#admit({ ...answer, device: null }, device, 'end')
    const now = (await this.#core.users.sync(username)).user
    // Whoever holds this device has begun anew: to its own eyes it is no surprise.
    await this.#core.pins.set({ username, root: now.root, verified: false })
    return account
  }

  /** Ask again and again whether another device has approved this one. */
  async waitForApproval(signal: AbortSignal): Promise<void> {
    while (this.#core.identity.account?.status !== 'active') {
      signal.throwIfAborted()
      const { device, account } = this.#core.identity
      if (device === null || account === null)
        throw new ChatError('usage', 'no-account', 'Log in first: no device waits here.')
      const request = { method: 'GET', path: '/v1/devices', response: DevicePage, signal } as const
      const { items } = (await this.#core.tokens.call(request)).body
      const own = items.find(({ id }) => id === device.id)
      if (own?.status === 'active') {
        await this.#requireBound(device)
        await this.#core.identity.become({ ...account, status: 'active' })
        return this.#begin('end')
      }
      if (own?.status !== 'pending')
        throw new ChatError('refused', 'device-not-found', 'The device was turned down, or forgotten.', {
          hint: 'Log in to ask again.'
        })
      // Its statement has to stand at the end of the chain, wherever that is by now.
      await this.#introduce(device)
      await sleep(POLL_MS * (0.75 + this.#core.options.random() / 2), signal)
    }
  }

  /** Begin a session without a device: enough to read the key backup. */
  async enter(who: Credentials): Promise<void> {
    this.#own(who.username)
    await this.#core.tokens.begin(await this.#logIn(who))
  }

  /** Begin a session without a device, and ask for one. */
  async #ask(who: Credentials, username: string): Promise<LoginResult> {
    const answer = await this.#logIn(who)
    const device = await this.#core.identity.prepare(username, who.deviceName ?? 'device')
    await this.#core.tokens.begin(answer)
    const userId = answer.user.id
    await this.#core.identity.become({ username, userId, deviceId: device.id, status: 'pending' })
    await this.#introduce(device)
    return { status: 'pending', deviceId: device.id, fingerprint: device.signing.fingerprint }
  }

  /** The own chain has to name the keys that this device has made. */
  async #requireBound(device: DeviceKeys): Promise<void> {
    const { user } = await this.#core.users.sync(device.username)
    const bound = user.devices.find(({ id }) => id === device.id)
    const isCurrent = [device.encryption, device.next].some(
      (pair) => pair?.fingerprint === bound?.encryptionKey
    )
    if (bound?.signingKey !== device.signing.fingerprint || !isCurrent)
      throw untrusted('swapped-key', 'The server has other keys for this device than it has made.')
  }

  async #introduce(device: DeviceKeys): Promise<void> {
    const { user } = await this.#core.users.sync(device.username)
    if (user.devices.some(({ id }) => id === device.id)) return
    const body = await newDevice('device-add', device, user)
    const request = { method: 'POST', path: '/v1/devices', body, response: DeviceResponse } as const
    await this.#core.tokens.call(request).catch((error: unknown) => {
      // The chain has moved on meanwhile: the next time.
      if (!(error instanceof RefusedError) || error.code !== 'stale-chain') throw error
    })
  }

  async #logIn({ username, password }: Credentials, deviceId?: string): Promise<SignIn> {
    const body = { username, password, ...(deviceId !== undefined && { deviceId }) }
    const request = { method: 'POST', path: '/v1/auth/login', body, response: SignIn, once: true } as const
    return (await this.#core.http.call(request)).body
  }

  /** @param start where its events begin: a cursor, the present `end`, or null for where it was left */
  async #admit(answer: SignIn, device: DeviceKeys, start: string | null): Promise<StoredAccount> {
    const { id: userId, username } = answer.user
    await this.#core.tokens.begin(answer)
    await this.#core.identity.become({ username, userId, deviceId: device.id, status: 'active' })
    await this.#requireBound(device)
    if (start !== null) await this.#begin(start)
    return this.#core.identity.account!
  }

  async #begin(start: string): Promise<void> {
    let cursor = start
    if (start === 'end') {
      const request = { method: 'GET', path: '/v1/events?limit=1', response: EventPage } as const
      cursor = (await this.#core.tokens.call(request)).body.cursor
    }
    await saveCursor(this.#core.store, cursor)
  }

  /** @throws {ChatError} `other-account` if the store is another user's */
  #own(given: string): string {
    const username = given.toLowerCase()
    const here = this.#core.identity.account?.username
    if (here !== undefined && here !== username)
      throw new ChatError('usage', 'other-account', `This store belongs to ${here}.`, {
        hint: 'Use another store, or log out and forget this device.'
      })
    return username
  }
}
