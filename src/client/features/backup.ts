import { sha256Hex } from '../../crypto/hash.js'
import { generateRecoveryCode } from '../../crypto/recovery-code.js'
import type { BackupSecret } from '../../crypto/backup.js'
import { ChatError, isDecidedRefusal, isRefusal } from '../errors.js'
import { generateDevice, type DeviceKeys, type KeyBits } from '../identity/device-keys.js'
import { boundKeys, newDevice } from '../identity/device-statements.js'
import type { OwnChain } from '../identity/own-chain.js'
import type { PendingStatements } from '../identity/pending.js'
import type { UserChains } from '../identity/user-chains.js'
import type { KeyForwarding } from '../session-keys/forward.js'
import type { Store } from '../stores/store.js'
import type { Api } from '../transport/api.js'
import type { BackupStatus } from '../types/account.js'
import { readHeader, RECOVERY_DEVICE_NAME, requireNewPassphrase, sealContent } from './backup-content.js'
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
  readonly #store: Store
  readonly #users: UserChains
  readonly #own: OwnChain
  readonly #pending: PendingStatements
  readonly #forwarding: KeyForwarding
  readonly #devices: Devices
  readonly #sharing: TrustSharing
  readonly #bits: KeyBits

  constructor(
    api: Api,
    store: Store,
    users: UserChains,
    own: OwnChain,
    pending: PendingStatements,
    forwarding: KeyForwarding,
    devices: Devices,
    sharing: TrustSharing,
    bits: KeyBits
  ) {
    this.#api = api
    this.#store = store
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
   *   `replaced-backup` if another device makes one at the same time. After any other error `status` tells whether
   *   there is a backup
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
    if (recoveryCode !== null) await this.#store.update((tx) => tx.set(unseen(recovery.id), true))
    await this.#add(recovery)
    await this.#upload(recovery, secret, before?.etag)
    await this.#requireActive(recovery.id)
    await this.#finish(recovery.id)
    await this.#forwarding.resume()
    await this.#store.update((tx) => tx.delete(unseen(recovery.id)))
    return { recoveryCode }
  }

  /** Whether the stored backup restores an account today, as far as that shows without its secret. */
  async status(): Promise<BackupStatus> {
    await this.#own.requireActive()
    const stored = await this.fetch()
    if (stored === null) return { usable: false, reason: 'none' }
    const header = readHeader(stored.bytes)
    if (header === null) return { usable: false, reason: 'unreadable' }
    const made = await this.#store.get<Made>(madeName(header.device))
    if (made !== undefined && made.etag !== (await etagOf(stored.bytes)))
      return { usable: false, reason: 'unreadable' }
    const device = (await this.#devices.list()).find(({ id }) => id === header.device)
    if (device?.status !== 'active' || device.purpose !== 'recovery')
      return { usable: false, reason: 'revoked' }
    if ((await this.#store.get(unseen(device.id))) === true) return { usable: false, reason: 'unfinished' }
    return { usable: true, kind: header.kind, createdAt: device.createdAt }
  }

  /**
   * Go on where this client was interrupted after it had stored a backup: older recovery devices are revoked. The
   * server could have put another device into the header of a backup, but not into what was noted here.
   */
  async resume(): Promise<void> {
    if (this.#own.state() !== 'active') return
    const made = await this.#store.list<Made>(madeName(''))
    if (made.every(([, { isFinished }]) => isFinished)) return
    const stored = await this.fetch()
    const etag = stored === null ? null : await etagOf(stored.bytes)
    const [name] = made.find(([, one]) => one.etag === etag && !one.isFinished) ?? []
    if (name !== undefined) await this.#finish(name.slice(madeName('').length))
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

  /** Add the recovery device. If the user may have no more devices, the older recovery devices make room for it. */
  async #add(recovery: DeviceKeys): Promise<void> {
    try {
      await this.#post(recovery)
    } catch (error) {
      const older = isRefusal(error, 'too-many-devices') ? await this.#recoveryDevices() : []
      if (older.length === 0) throw error
      for (const id of older) await this.#devices.revoke(id)
      await this.#post(recovery)
    }
  }

  /** Add it, and plan that it gets all keys, to the fingerprints that were made here. */
  async #post(recovery: DeviceKeys): Promise<void> {
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
    const headers: Record<string, string> =
      etag === undefined ? { 'if-none-match': '*' } : { 'if-match': etag }
    try {
      const body = await sealContent({ device: recovery, own: { sequence, head }, trust }, secret)
      const made = { etag: await etagOf(body), isFinished: false } satisfies Made
      await this.#store.update((tx) => tx.set(madeName(recovery.id), made))
      const answer = await this.#api.call({ method: 'PUT', path: BACKUP_PATH, body, headers })
      // The older recovery devices are revoked next: only the server's word that it has these bytes will do.
      if (answer.headers.get('etag') !== made.etag) throw notStored()
    } catch (error) {
      // Anything else leaves open whether it is stored: this device is revoked by the backup that comes next.
      const isNotStored = isDecidedRefusal(error) || (error instanceof ChatError && error.kind === 'usage')
      if (isNotStored) {
        await this.#store.update((tx) => tx.delete(madeName(recovery.id)))
        await this.#devices.revoke(recovery.id)
      }
      throw isRefusal(error, 'precondition-failed') ? replaced(error) : error
    }
  }

  /** Another process may have made a backup, or revoked this device, before the blob was stored. */
  async #requireActive(recoveryId: string): Promise<void> {
    const { account } = await this.#own.requireActive()
    await this.#users.sync([account.username])
    if (!(await this.#recoveryDevices()).includes(recoveryId)) throw replaced()
  }

  /** Revoke the recovery devices that are older than the one of the stored backup. */
  async #finish(recoveryId: string): Promise<void> {
    const { account } = await this.#own.requireActive()
    const { devices } = await this.#users.get(account.username)
    const all = [...devices.values()].filter(({ purpose }) => purpose === 'recovery')
    const added = all.find(({ id }) => id === recoveryId)?.added ?? 0
    const older = all.filter((device) => device.added < added)
    for (const { id, retired } of older) if (retired === null) await this.#devices.revoke(id)
    await this.#store.update(async (tx) => {
      for (const { id } of older) tx.delete(madeName(id))
      const made = await tx.get<Made>(madeName(recoveryId))
      if (made !== undefined) tx.set(madeName(recoveryId), { ...made, isFinished: true } satisfies Made)
    })
  }

  /** Ids of the active recovery devices, by the verified chain. */
  async #recoveryDevices(): Promise<string[]> {
    const { account } = await this.#own.requireActive()
    const { chain } = await this.#users.get(account.username)
    return [...chain.devices.values()].filter(({ purpose }) => purpose === 'recovery').map(({ id }) => id)
  }
}

/** A backup that this store has made: the older recovery devices are revoked when it is finished. */
type Made = { etag: string; isFinished: boolean }

function madeName(recoveryId: string): string {
  return `backup-made/${recoveryId}`
}

/** The server's `ETag` of these bytes. */
async function etagOf(bytes: Uint8Array): Promise<string> {
  return `"${await sha256Hex(bytes)}"`
}

/** A code that the person has not been shown yet, by its recovery device. */
function unseen(recoveryId: string): string {
  return `unseen-code/${recoveryId}`
}

function notStored(): ChatError {
  return new ChatError('unreachable', 'not-the-server', 'What answered has not stored the backup.', {
    hint: 'A proxy or a filter may stand in between. Make the backup again.'
  })
}

function replaced(cause?: unknown): ChatError {
  return new ChatError(
    'usage',
    'replaced-backup',
    'Another device makes or removes a backup at the same time.',
    {
      hint: 'Use the code or passphrase of that one, or make another backup.',
      cause
    }
  )
}
