import { DeviceResponse } from '../../protocol/devices.js'
import { generateRecoveryCode } from '../../crypto/recovery-code.js'
import { ChatError, RefusedError, untrusted } from '../errors.js'
import { newDevice } from '../identity/device-statements.js'
import type { DeviceKeys, OwnDevice } from '../identity/own-device.js'
import type { UserChains } from '../identity/user-chains.js'
import { isActive } from '../identity/user-record.js'
import type { KeyForwarding } from '../session-keys/forward.js'
import type { SessionKeys } from '../session-keys/store.js'
import type { Store } from '../stores/store.js'
import type { Api } from '../transport/api.js'
import type { Http } from '../transport/http.js'
import { conversationIds } from '../transport/pages.js'
import type { Account, BackupStatus, Credentials } from '../types/account.js'
import type { Auth } from './auth.js'
import { openDevice, RECOVERY_DEVICE_NAME, sealDevice } from './backup-content.js'
import type { Devices } from './devices.js'

const PATH = '/v1/users/me/key-backup'
const NAME = 'backup'
/** Areas of the store that a restored device copies from the recovery device. */
const AREAS = ['user/', 'pin/', 'room/', 'chain/', 'key/']

/** The device that this client has made last for a backup. */
type StoredBackup = { deviceId: string }

/** The parts of a second client, which acts as the recovery device over a store of its own. */
export interface RecoveryClient {
  http: Http
  api: Api
  store: Store
  me: OwnDevice
  users: UserChains
  keys: SessionKeys
  auth: Auth
}

/**
 * A recovery device, whose keys lie on the server, encrypted under a code or passphrase that only the user
 * has. Other devices wrap session keys for it as for any device, so it is always up to date. It approves the
 * device that is restored, so the user's identity stays the same.
 */
export class Backup {
  readonly #api: Api
  readonly #store: Store
  readonly #users: UserChains
  readonly #forwarding: KeyForwarding
  readonly #me: OwnDevice
  readonly #auth: Auth
  readonly #devices: Devices
  readonly #openRecovery: () => Promise<RecoveryClient>

  /** @param openRecovery opens a client over a new, empty store */
  constructor(
    api: Api,
    store: Store,
    users: UserChains,
    forwarding: KeyForwarding,
    me: OwnDevice,
    auth: Auth,
    devices: Devices,
    openRecovery: () => Promise<RecoveryClient>
  ) {
    this.#api = api
    this.#store = store
    this.#users = users
    this.#forwarding = forwarding
    this.#me = me
    this.#auth = auth
    this.#devices = devices
    this.#openRecovery = openRecovery
  }

  /**
   * Make a backup, which replaces an earlier one. @returns the code to write down; null if a passphrase was
   * given
   */
  async create({ passphrase }: { passphrase?: string } = {}): Promise<{ recoveryCode: string | null }> {
    const { device } = this.#me.active()
    const recoveryCode = passphrase === undefined ? await generateRecoveryCode() : null
    const secret = recoveryCode === null ? { passphrase: passphrase! } : { recoveryCode }
    const recovery = await this.#me.generate(device.username, RECOVERY_DEVICE_NAME, true)
    const body = await sealDevice(recovery, secret)
    const before = await this.#fetch()
    const old = await this.#store.get<StoredBackup>(NAME)
    await this.#add(recovery, device)
    await this.#store.update((tx) => tx.set(NAME, { deviceId: recovery.id }))
    await this.#forwarding.shareAll(recovery.id)
    const headers: Record<string, string> =
      before === null ? { 'if-none-match': '*' } : { 'if-match': before.etag }
    await this.#api.call({ method: 'PUT', path: PATH, body, headers })
    if (old !== undefined) await this.#devices.revoke(old.deviceId)
    return { recoveryCode }
  }

  async status(): Promise<BackupStatus> {
    return { exists: (await this.#fetch()) !== null }
  }

  async remove(): Promise<void> {
    const before = await this.#fetch()
    if (before !== null)
      await this.#api.call({ method: 'DELETE', path: PATH, headers: { 'if-match': before.etag } })
    const stored = await this.#store.get<StoredBackup>(NAME)
    if (stored === undefined) return
    await this.#devices.revoke(stored.deviceId)
    await this.#store.update((tx) => tx.delete(NAME))
  }

  /** Log in on a new device that can read all earlier messages, under the same identity. */
  async restore(credentials: Credentials & ({ code: string } | { passphrase: string })): Promise<Account> {
    if (this.#me.account?.status === 'active')
      throw new ChatError(
        'usage',
        'other-account',
        'This store holds a device already: restore into a new one.'
      )
    const secret =
      'code' in credentials ? { recoveryCode: credentials.code } : { passphrase: credentials.passphrase }
    await this.#auth.enter(credentials)
    const blob = await this.#fetch()
    if (blob === null) throw new ChatError('usage', 'no-backup', 'There is no backup of this account.')
    const username = credentials.username.toLowerCase()
    const device = await openDevice(blob.bytes, secret, username, this.#store.extractableKeys)
    await this.#requireActive(device)
    const recovery = await this.#openRecovery()
    try {
      await act(recovery, device, credentials)
      await this.#approve(recovery, device, credentials.deviceName)
      await this.#copyStore(recovery.store, device.id)
      await this.#auth.login(credentials)
      return this.#auth.account!
    } finally {
      const logout = { method: 'POST', path: '/v1/auth/logout' } as const
      await recovery.api.call(logout).catch(() => undefined)
      recovery.http.close()
    }
  }

  /** A recovery device is revoked when a newer backup replaces it. */
  async #requireActive({ username, signing }: DeviceKeys): Promise<void> {
    const { user } = await this.#users.sync(username)
    if (!isActive(user, signing.fingerprint))
      throw untrusted('old-backup', 'The backup is of a recovery device that is not the user’s any more.')
  }

  /** Add this device to the account, signed by the recovery device. */
  async #approve({ api, users }: RecoveryClient, recovery: DeviceKeys, deviceName = 'device'): Promise<void> {
    const device = await this.#me.prepare(recovery.username, deviceName)
    const { user } = await users.sync(recovery.username)
    const body = await newDevice('device-add', device, user, recovery.signing)
    await api.call({ method: 'POST', path: '/v1/devices', body, response: DeviceResponse })
  }

  async #copyStore(from: Store, recoveryId: string): Promise<void> {
    const entries = await Promise.all(AREAS.map((area) => from.list(area)))
    await this.#store.update((tx) => {
      for (const [name, value] of entries.flat()) tx.set(name, value)
      tx.set(NAME, { deviceId: recoveryId })
    })
  }

  async #add(recovery: DeviceKeys, approver: DeviceKeys): Promise<void> {
    const { user } = await this.#users.sync(approver.username)
    const body = await newDevice('device-add', recovery, user, approver.signing)
    await this.#api.call({ method: 'POST', path: '/v1/devices', body, response: DeviceResponse })
  }

  async #fetch(): Promise<{ bytes: Uint8Array; etag: string } | null> {
    try {
      const { body, headers } = await this.#api.bytes({ method: 'GET', path: PATH })
      return { bytes: body, etag: headers.get('etag') ?? '' }
    } catch (error) {
      if (error instanceof RefusedError && error.status === 404) return null
      throw error
    }
  }
}

/** Log in as the recovery device, and fetch everything that it can read, verified as on any device. */
async function act(
  { api, me, keys, auth }: RecoveryClient,
  device: DeviceKeys,
  credentials: Credentials
): Promise<void> {
  const { username, id: deviceId } = device
  await me.saveDevice(device)
  await me.saveAccount({ username, userId: '', deviceId, status: 'active' })
  await auth.login(credentials)
  for (const id of await conversationIds(api))
    await keys.fetchAll(id).catch((error: unknown) => {
      // A conversation that can't be trusted does not keep back the others. Reading it shows the error.
      if (!(error instanceof ChatError) || error.kind !== 'untrusted') throw error
    })
}
