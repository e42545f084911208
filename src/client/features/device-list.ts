import { DevicePage, type Device } from '../../protocol/devices.js'
import { fingerprint } from '../../crypto/keys.js'
import { toUntrusted, untrusted } from '../errors.js'
import type { OwnDevice } from '../identity/own-device.js'
import type { UserChains } from '../identity/user-chains.js'
import type { Api } from '../transport/api.js'
import type { DeviceInfo } from '../types/devices.js'

/** The user's devices. The verified chain says which there are, the server what they are called. */
export class DeviceList {
  readonly #api: Api
  readonly #users: UserChains
  readonly #me: OwnDevice

  constructor(api: Api, users: UserChains, me: OwnDevice) {
    this.#api = api
    this.#users = users
    this.#me = me
  }

  /** @throws {ChatError} `ghost-device` (`untrusted`) if the server lists an active one that the chain lacks */
  async all(): Promise<DeviceInfo[]> {
    const served = await this.served()
    await this.#users.sync([this.#me.username])
    const { devices } = await this.#users.get(this.#me.username)
    const unnamed = new Map(devices)
    const infos: DeviceInfo[] = []
    for (const { id, name, status, signingKey, createdAt } of served) {
      const print = await this.#fingerprint(signingKey)
      const bound = devices.get(print)
      if (bound?.id !== id && status !== 'pending')
        throw untrusted('ghost-device', `The server lists a device that is not in the chain: ${id}.`)
      unnamed.delete(print)
      if (bound?.id === id)
        infos.push(this.#info({ id, name, createdAt, fingerprint: print, ...inChain(bound) }))
      else infos.push(this.#info({ id, name, createdAt, fingerprint: print, status, purpose: 'chat' }))
    }
    for (const [print, bound] of unnamed)
      infos.push(this.#info({ id: bound.id, name: '', createdAt: '', fingerprint: print, ...inChain(bound) }))
    return infos
  }

  /** What the server lists. */
  async served(): Promise<Device[]> {
    const request = { method: 'GET', path: '/v1/devices', response: DevicePage } as const
    return (await this.#api.call(request)).body.items
  }

  #info(info: Omit<DeviceInfo, 'current'>): DeviceInfo {
    return { ...info, current: info.id === this.#me.device?.id }
  }

  async #fingerprint(signingKey: string): Promise<string> {
    try {
      return await fingerprint(signingKey)
    } catch (error) {
      throw toUntrusted(error, 'A key of one of your devices')
    }
  }
}

function inChain({ purpose, retired }: { purpose: DeviceInfo['purpose']; retired: number | null }) {
  return { purpose, status: retired === null ? ('active' as const) : ('revoked' as const) }
}
