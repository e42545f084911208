import { DeviceResponse, DevicePage, type Device } from '../../protocol/devices.js'
import { fingerprint } from '../../crypto/keys.js'
import { generateEncryptionKeys } from '../../crypto/keys.js'
import { signStatement } from '../../crypto/statements.js'
import type { Account, Credentials } from '../types/account.js'
import type { DeviceInfo } from '../types/devices.js'
import type { Devices } from '../types/parts.js'
import type { Core } from '../core.js'
import { bindingText, rekeyStatement, revocation } from '../identity/device-statements.js'
import { Auth } from './auth.js'
import { ChatError, untrusted, type RefusedError } from '../errors.js'
import { conversationIds } from '../transport/pages.js'
import { retryOnConflict } from '../transport/retry.js'
import { sleep } from '../transport/abort.js'
import type { StoredUser } from '../identity/user-record.js'

const TRIES = 5

/** The user's devices: who comes, who goes, and which keys they have. */
export class DeviceCare implements Devices {
  readonly #core: Core
  readonly #account: () => Account

  constructor(core: Core, account: () => Account) {
    this.#core = core
    this.#account = account
  }

  async list(): Promise<DeviceInfo[]> {
    const own = this.#core.identity.device?.id
    return Promise.all(
      (await this.#fetch()).map(async ({ id, name, status, signingKey, createdAt }) => ({
        ...{ id, name, status, createdAt },
        fingerprint: await fingerprint(signingKey),
        current: id === own
      }))
    )
  }

  async requests(): Promise<DeviceInfo[]> {
    return (await this.list()).filter(({ status }) => status === 'pending')
  }

  async approve(deviceId: string, { fingerprint: expected }: { fingerprint: string }): Promise<void> {
    const { device } = this.#core.identity.active()
    const asked = await this.#asking(deviceId)
    const [signingKey, encryptionKey] = await Promise.all(
      [asked.signingKey, asked.encryptionKey].map(fingerprint)
    )
    if (signingKey !== expected.toLowerCase().replace(/[^0-9a-f]/g, ''))
      throw untrusted(
        'swapped-key',
        'The device that asks has another fingerprint than the one that was compared.'
      )
    const { username } = device
    const bound = { username, id: deviceId, signingKey, encryptionKey: encryptionKey! }
    await this.#atEnd(async (user) => {
      if (user.devices.some(({ id }) => id === deviceId)) return
      const statement = await signStatement(
        bindingText('device-add', { ...bound, encryptionVersion: 1 }, user),
        device.signing
      )
      const path = `/v1/devices/${deviceId}/approval`
      await this.#core.tokens.call({ method: 'POST', path, body: { statement }, response: DeviceResponse })
    })
    await this.#core.users.sync(username)
    await this.#core.sharing.begin(deviceId)
  }

  async reject(deviceId: string): Promise<void> {
    this.#core.identity.active()
    await this.#core.tokens.call({ method: 'DELETE', path: `/v1/devices/${deviceId}` })
  }

  async revoke(deviceId: string): Promise<void> {
    const { device } = this.#core.identity.active()
    await this.#atEnd(async (user) => {
      if (user.retired.includes(deviceId)) return
      const statement = await revocation(device.username, deviceId, user, device.signing)
      const path = `/v1/devices/${deviceId}/revocation`
      await this.#core.tokens.call({ method: 'POST', path, body: { statement }, response: DeviceResponse })
    })
    if (deviceId === device.id) await this.#core.tokens.end()
    else await this.#core.users.sync(device.username)
  }

  async rekey({ forgetPast = false }: { forgetPast?: boolean } = {}): Promise<void> {
    const { device } = this.#core.identity.active()
    if (device.next === null) {
      const { extractableKeys: extractable } = this.#core.store
      const next = await generateEncryptionKeys({ bits: this.#core.options.rsaKeyBits, extractable })
      await this.#core.identity.keep({ ...device, next: { ...next } })
    }
    await this.finishRekey()
    if (forgetPast) await this.#core.keys.destroyAll()
  }

  /** Go on with a rekey, wherever it was left: the old key goes only when nothing needs it any more. */
  async finishRekey(): Promise<void> {
    const { device } = this.#core.identity.active()
    const { next } = device
    if (next === null) return
    await this.#atEnd(async (user) => {
      if (user.devices.some(({ encryptionKey }) => encryptionKey === next.fingerprint)) return
      const statement = await rekeyStatement(device, next.fingerprint, user)
      const path = `/v1/devices/${device.id}/encryption-key`
      const body = { encryptionKey: next.publicKey, statement }
      await this.#core.tokens.call({ method: 'PUT', path, body, response: DeviceResponse })
    })
    // What was wrapped for the old key until now; the new one opens what comes after.
    for (const id of await conversationIds(this.#core.tokens)) await this.#core.keys.fetchAll(id)
    const encryptionVersion = device.encryptionVersion + 1
    await this.#core.identity.keep({ ...device, encryption: next, encryptionVersion, next: null })
    await this.#core.users.sync(device.username)
  }

  async reset(who: Credentials): Promise<Account> {
    await new Auth(this.#core).reset(who)
    return this.#account()
  }

  /** Say something at the end of the own chain; again when others were faster. */
  async #atEnd(say: (user: StoredUser) => Promise<void>): Promise<void> {
    const { username } = this.#core.identity
    const attempt = async (): Promise<void> => say((await this.#core.users.sync(username)).user)
    // A pending device signs again when it sees that the chain has moved on.
    const pause = async ({ code }: RefusedError): Promise<void> => {
      if (code === 'invalid-signature') await sleep(1500, this.#core.http.closed)
    }
    return retryOnConflict(['stale-chain', 'invalid-signature'], TRIES, attempt, pause)
  }

  async #asking(deviceId: string): Promise<Device> {
    const device = (await this.#fetch()).find(({ id }) => id === deviceId)
    if (device !== undefined && device.status !== 'revoked') return device
    throw new ChatError('usage', 'device-not-found', 'No such device asks for approval.')
  }

  async #fetch(): Promise<Device[]> {
    return (await this.#core.tokens.call({ method: 'GET', path: '/v1/devices', response: DevicePage })).body
      .items
  }
}
