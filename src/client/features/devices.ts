import { DevicePage, DeviceResponse, type Device } from '../../protocol/devices.js'
import { fingerprint } from '../../crypto/keys.js'
import { signStatement } from '../../crypto/statements.js'
import { ChatError, untrusted } from '../errors.js'
import { bindingText, revocation } from '../identity/device-statements.js'
import { extendOwnChain } from '../identity/own-chain.js'
import type { OwnDevice } from '../identity/own-device.js'
import type { UserChains } from '../identity/user-chains.js'
import type { StoredUser } from '../identity/user-record.js'
import type { KeyForwarding } from '../session-keys/forward.js'
import type { SessionKeys } from '../session-keys/store.js'
import type { Api } from '../transport/api.js'
import type { Account, Credentials } from '../types/account.js'
import type { DeviceInfo } from '../types/devices.js'
import type { Auth } from './auth.js'
import type { DeviceRekey } from './rekey.js'

/** The user's devices. */
export class Devices {
  readonly #api: Api
  readonly #users: UserChains
  readonly #keys: SessionKeys
  readonly #forwarding: KeyForwarding
  readonly #me: OwnDevice
  readonly #auth: Auth
  readonly #rekey: DeviceRekey

  constructor(
    api: Api,
    users: UserChains,
    keys: SessionKeys,
    forwarding: KeyForwarding,
    me: OwnDevice,
    auth: Auth,
    rekey: DeviceRekey
  ) {
    this.#api = api
    this.#users = users
    this.#keys = keys
    this.#forwarding = forwarding
    this.#me = me
    this.#auth = auth
    this.#rekey = rekey
  }

  async list(): Promise<DeviceInfo[]> {
    const own = this.#me.device?.id
    return Promise.all(
      (await this.#fetch()).map(async ({ id, name, status, signingKey, createdAt }) => ({
        id,
        name,
        status,
        fingerprint: await fingerprint(signingKey),
        createdAt,
        current: id === own
      }))
    )
  }

  /** Devices that wait for approval. */
  async requests(): Promise<DeviceInfo[]> {
    return (await this.list()).filter(({ status }) => status === 'pending')
  }

  /**
   * Approve a pending device, and forward every session key of this device to it.
   *
   * @param options.fingerprint as the new device shows it; it must be the one that the server shows
   * @throws `swapped-key` (`untrusted`) if it is not
   */
  async approve(deviceId: string, { fingerprint: expected }: { fingerprint: string }): Promise<void> {
    const { device } = this.#me.active()
    const { username } = device
    const pending = await this.#pending(deviceId)
    const signingKey = await fingerprint(pending.signingKey)
    const encryptionKey = await fingerprint(pending.encryptionKey)
    if (signingKey !== expected.toLowerCase().replace(/[^0-9a-f]/g, ''))
      throw untrusted(
        'swapped-key',
        'The device that asks has another fingerprint than the one that was compared.'
      )
    const bound = { username, id: deviceId, signingKey, encryptionKey, encryptionVersion: 1 }
    await this.#extendChain(async (user) => {
      if (user.devices.some(({ id }) => id === deviceId)) return
      const statement = await signStatement(bindingText('device-add', bound, user), device.signing)
      const path = `/v1/devices/${deviceId}/approval`
      await this.#api.call({ method: 'POST', path, body: { statement }, response: DeviceResponse })
    })
    await this.#users.sync(username)
    await this.#forwarding.shareAll(deviceId)
  }

  /** Reject a pending device. */
  async reject(deviceId: string): Promise<void> {
    this.#me.active()
    await this.#api.call({ method: 'DELETE', path: `/v1/devices/${deviceId}` })
  }

  /**
   * Revoke a device: its sessions end, and nothing more is encrypted for it. A device that revokes itself
   * can't be used any more.
   */
  async revoke(deviceId: string): Promise<void> {
    const { device } = this.#me.active()
    await this.#extendChain(async (user) => {
      if (user.retired.includes(deviceId)) return
      const statement = await revocation(device.username, deviceId, user, device.signing)
      const path = `/v1/devices/${deviceId}/revocation`
      await this.#api.call({ method: 'POST', path, body: { statement }, response: DeviceResponse })
    })
    if (deviceId === device.id) await this.#api.end()
    else await this.#users.sync(device.username)
  }

  /**
   * Replace this device's encryption key and destroy the old one. `forgetPast` destroys the session keys too:
   * nobody can decrypt earlier messages on this device any more.
   */
  async rekey({ forgetPast = false }: { forgetPast?: boolean } = {}): Promise<void> {
    await this.#rekey.start()
    if (forgetPast) await this.#keys.destroyAll()
  }

  /** Begin again with this device when all others are lost. All contacts see a new identity. */
  reset(credentials: Credentials): Promise<Account> {
    return this.#auth.reset(credentials)
  }

  #extendChain(post: (user: StoredUser) => Promise<void>): Promise<void> {
    return extendOwnChain(this.#api, this.#users, this.#me, post)
  }

  async #pending(deviceId: string): Promise<Device> {
    const device = (await this.#fetch()).find(({ id }) => id === deviceId)
    if (device !== undefined && device.status !== 'revoked') return device
    throw new ChatError('usage', 'device-not-found', 'No such device asks for approval.')
  }

  async #fetch(): Promise<Device[]> {
    const request = { method: 'GET', path: '/v1/devices', response: DevicePage } as const
    return (await this.#api.call(request)).body.items
  }
}
