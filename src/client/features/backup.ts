import { generateRecoveryCode } from '../../crypto/recovery-code.js'
import type { BackupSecret } from '../../crypto/backup.js'
import { ChatError, isRefusal } from '../errors.js'
import { generateDevice, type DeviceKeys, type KeyBits } from '../identity/device-keys.js'
import { boundKeys, newDevice } from '../identity/device-statements.js'
import type { OwnChain } from '../identity/own-chain.js'
import type { PendingStatements } from '../identity/pending.js'
import type { UserChains } from '../identity/user-chains.js'
import type { KeyForwarding } from '../session-keys/forward.js'
import type { Api } from '../transport/api.js'
import type { BackupStatus } from '../types/account.js'
import { RECOVERY_DEVICE_NAME, requireNewPassphrase, sealContent } from './backup-content.js'
import type { Devices } from './devices.js'
import type { TrustSharing } from './trust-sharing.js'

export const BACKUP_PATH = '/v1/users/me/key-backup'

/**
 * A recovery device, whose keys lie on the server, encrypted under a code or passphrase that only the user
 * has. Other devices wrap session keys for it as for any device, so it is always up to date. It approves the
 * device that is restored, so the user's identity stays the same. A user has one at a time.
 */
export class Backup {
  readonly #api: Api
  readonly #users: UserChains
  readonly #own: OwnChain
  readonly #pending: PendingStatements
  readonly #forwarding: KeyForwarding
  readonly #devices: Devices
  readonly #sharing: TrustSharing
  readonly #bits: KeyBits

  constructor(
    api: Api,
    users: UserChains,
    own: OwnChain,
    pending: PendingStatements,
    forwarding: KeyForwarding,
    devices: Devices,
    sharing: TrustSharing,
    bits: KeyBits
  ) {
    this.#api = api
    this.#users = users
    this.#own = own
    this.#pending = pending
    this.#forwarding = forwarding
    this.#devices = devices
    this.#sharing = sharing
    this.#bits = bits
  }

  /**
   * Make a backup, which replaces an earlier one: its code or passphrase opens nothing that comes later.
   *
   * @returns the code to write down; null if a passphrase was given
   * @throws {ChatError} `usage`: `bad-passphrase`; `reused-passphrase` if it is the one of the earlier backup;
   *   `replaced-backup` if another device makes one at the same time
   */
  async create({ passphrase }: { passphrase?: string } = {}): Promise<{ recoveryCode: string | null }> {
    const { account } = await this.#own.requireActive()
    const before = await this.fetch()
    if (passphrase !== undefined) await requireNewPassphrase(passphrase, before?.bytes)
    const recoveryCode = passphrase === undefined ? await generateRecoveryCode() : null
    const secret = recoveryCode === null ? { passphrase: passphrase! } : { recoveryCode }
    const form = { bits: this.#bits, extractable: true }
    const naming = { username: account.username, name: RECOVERY_DEVICE_NAME, purpose: 'recovery' } as const
    const recovery = await generateDevice(naming, form)
    await this.#add(recovery)
    await this.#upload(recovery, secret, before?.etag)
    await this.#revokeOlder(recovery)
    await this.#forwarding.resume()
    return { recoveryCode }
  }

  /** Whether there is a backup whose recovery device stands in the user's verified chain. */
  async status(): Promise<BackupStatus> {
    const { account } = await this.#own.requireActive()
    const stored = await this.fetch()
    await this.#users.sync([account.username])
    return { exists: stored !== null && (await this.#recoveryDevices()).length > 0 }
  }

  /** Delete the backup. Every recovery device is revoked. */
  async remove(): Promise<void> {
    const before = await this.fetch()
    if (before !== null)
      await this.#api.call({ method: 'DELETE', path: BACKUP_PATH, headers: { 'if-match': before.etag } })
    for (const id of await this.#recoveryDevices()) await this.#devices.revoke(id)
  }

  /** The stored backup, as bytes; null if there is none. */
  async fetch(): Promise<{ bytes: Uint8Array; etag: string } | null> {
    try {
      const { body, headers } = await this.#api.bytes({ method: 'GET', path: BACKUP_PATH })
      return { bytes: body, etag: headers.get('etag') ?? '' }
    } catch (error) {
      if (isRefusal(error, 'key-backup-not-found')) return null
      throw error
    }
  }

  /** Add the recovery device, and plan that it gets all keys, to the fingerprints that were made here. */
  async #add(recovery: DeviceKeys): Promise<void> {
    const { device } = await this.#own.requireActive()
    const { username } = recovery
    const make = async ({ chain }: { chain: { sequence: number; head: string } }) => {
      const body = await newDevice('device-add', recovery, chain, device.signing)
      const request = { method: 'POST', path: '/v1/devices', body } as const
      return { username, sequence: chain.sequence + 1, signed: body.statement, request }
    }
    const { id: deviceId, ...keys } = boundKeys(recovery)
    await this.#pending.post(username, make, (tx) => this.#forwarding.plan(tx, { deviceId, ...keys }))
  }

  async #upload(recovery: DeviceKeys, secret: BackupSecret, etag: string | undefined): Promise<void> {
    const { sequence, head } = (await this.#users.get(recovery.username)).chain
    const trust = await this.#sharing.known()
    const body = await sealContent({ device: recovery, own: { sequence, head }, trust }, secret)
    const headers: Record<string, string> =
      etag === undefined ? { 'if-none-match': '*' } : { 'if-match': etag }
    try {
      await this.#api.call({ method: 'PUT', path: BACKUP_PATH, body, headers })
    } catch (error) {
      if (!isRefusal(error, 'precondition-failed')) throw error
      await this.#devices.revoke(recovery.id)
      throw new ChatError('usage', 'replaced-backup', 'Another device makes a backup at the same time.', {
        hint: 'Use the code or passphrase of that one.',
        cause: error
      })
    }
  }

  async #revokeOlder(recovery: DeviceKeys): Promise<void> {
    const { devices } = await this.#users.get(recovery.username)
    const { added } = devices.get(recovery.signing.fingerprint)!
    for (const device of devices.values())
      if (device.purpose === 'recovery' && device.retired === null && device.added < added)
        await this.#devices.revoke(device.id)
  }

  /** Ids of the active recovery devices, by the verified chain. */
  async #recoveryDevices(): Promise<string[]> {
    const { account } = await this.#own.requireActive()
    const { chain } = await this.#users.get(account.username)
    return [...chain.devices.values()].filter(({ purpose }) => purpose === 'recovery').map(({ id }) => id)
  }
}
