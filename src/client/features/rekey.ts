import { DeviceResponse } from '../../protocol/devices.js'
import { rekeyStatement } from '../identity/device-statements.js'
import type { OwnDevice } from '../identity/own-device.js'
import { extendOwnChain } from '../identity/own-chain.js'
import type { UserChains } from '../identity/user-chains.js'
import type { SessionKeys } from '../session-keys/store.js'
import type { Api } from '../transport/api.js'
import { conversationIds } from '../transport/pages.js'

/** Replaces this device's encryption key. */
export class DeviceRekey {
  readonly #api: Api
  readonly #users: UserChains
  readonly #keys: SessionKeys
  readonly #me: OwnDevice

  constructor(api: Api, users: UserChains, keys: SessionKeys, me: OwnDevice) {
    this.#api = api
    this.#users = users
    this.#keys = keys
    this.#me = me
  }

  async start(): Promise<void> {
    await this.#me.prepareNextKey()
    await this.finish()
  }

  /**
   * Go on with a rekey that was interrupted. The old key is destroyed only when nothing needs it any more.
   */
  async finish(): Promise<void> {
    const { device } = this.#me.active()
    const { next } = device
    if (next === null) return
    await extendOwnChain(this.#api, this.#users, this.#me, async (user) => {
      if (user.devices.some(({ encryptionKey }) => encryptionKey === next.fingerprint)) return
      const statement = await rekeyStatement(device, next.fingerprint, user)
      const path = `/v1/devices/${device.id}/encryption-key`
      const body = { encryptionKey: next.publicKey, statement }
      await this.#api.call({ method: 'PUT', path, body, response: DeviceResponse })
    })
    // Session keys up to now were wrapped for the old key, later ones are wrapped for the new one.
    for (const id of await conversationIds(this.#api)) await this.#keys.fetchAll(id)
    const encryptionVersion = device.encryptionVersion + 1
    await this.#me.saveDevice({ ...device, encryption: next, encryptionVersion, next: null })
    await this.#users.sync(device.username)
  }
}
