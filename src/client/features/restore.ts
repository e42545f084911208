import type { UserHistory } from '../../protocol/user-history.js'
import type { BackupSecret } from '../../crypto/backup.js'
import { ChatError } from '../errors.js'
import type { HeardHeads } from '../identity/heard-heads.js'
import type { DeviceKeys } from '../identity/device-keys.js'
import { newDevice, revocation } from '../identity/device-statements.js'
import type { OwnDevice } from '../identity/own-device.js'
import type { TrustStore } from '../identity/trust-store.js'
import type { KeyRenewals } from '../session-keys/renewals.js'
import type { Store } from '../stores/store.js'
import type { Account, Credentials } from '../types/account.js'
import type { DeviceInfo } from '../types/devices.js'
import type { Auth } from './auth.js'
import type { Linking } from './linking.js'
import type { Backup } from './backup.js'
import { openContent, requireOtherPassphrase, type BackupContent, type KnownTrust } from './backup-content.js'
import { act, type RecoveryClient } from './recovery-client.js'
import { ownCredentials } from './sign-in.js'

/** The devices, of all active ones, that the restored one replaces, by their ids. */
type ChooseReplaced = (devices: DeviceInfo[]) => readonly string[] | Promise<readonly string[]>

/** The secret that opens the backup, and a passphrase of the next one, if it is to have one. */
type BackupSecrets = ({ code: string } | { passphrase: string }) & { newPassphrase?: string }

/** `ask` is called for the secrets when the password is right and there is a backup. */
export type Restoration = Credentials &
  (BackupSecrets | { ask: () => Promise<BackupSecrets> }) & { replace?: ChooseReplaced }

export type Restored = {
  account: Account
  recoveryCode: string | null
  /** Session keys that were made for the backup, and that it could not open. */
  unopenedKeys: number
}

interface Usable {
  secret: BackupSecret
  newPassphrase: string | undefined
}

/** @throws {ChatError} `reused-passphrase` (`usage`) */
async function usable(given: BackupSecrets): Promise<Usable> {
  const { newPassphrase } = given
  const secret = 'code' in given ? { recoveryCode: given.code } : { passphrase: given.passphrase }
  if (newPassphrase !== undefined) await requireOtherPassphrase(newPassphrase, secret)
  return { secret, newPassphrase }
}

/** Makes a new device from a key backup. */
export class Restore {
  readonly #store: Store
  readonly #trust: TrustStore
  readonly #heads: HeardHeads
  readonly #me: OwnDevice
  readonly #auth: Auth
  readonly #linking: Linking
  readonly #backup: Backup
  readonly #renewals: KeyRenewals
  readonly #openRecovery: () => Promise<RecoveryClient>

  /** @param openRecovery opens a client over a new, empty store */
  constructor(
    store: Store,
    trust: TrustStore,
    heads: HeardHeads,
    me: OwnDevice,
    auth: Auth,
    linking: Linking,
    backup: Backup,
    renewals: KeyRenewals,
    openRecovery: () => Promise<RecoveryClient>
  ) {
    this.#store = store
    this.#trust = trust
    this.#heads = heads
    this.#me = me
    this.#auth = auth
    this.#linking = linking
    this.#backup = backup
    this.#renewals = renewals
    this.#openRecovery = openRecovery
  }

  /**
   * Log in on a new device that can read all earlier messages, under the same identity. The old secret was typed
   * in, so there is a new backup afterwards, which another one opens.
   *
   * @returns the account, the new code to write down, null if a new passphrase was given, and what is missing
   */
  async run(credentials: Restoration): Promise<Restored> {
    if (this.#me.account?.status === 'active')
      throw new ChatError('usage', 'other-account', 'This store holds a device already.', {
        hint: 'Restore into a new one.'
      })
    const own = ownCredentials(credentials, this.#me)
    // Secrets that are given are looked at first, while a refusal costs nothing.
    const given = 'ask' in credentials ? credentials.ask : await usable(credentials)
    // Until the backup is open, all happens in the recovery client: if the person gives up, this store is as it was.
    const recovery = await this.#openRecovery()
    let restored: { newPassphrase: string | undefined; unopenedKeys: number }
    try {
      await recovery.auth.enter(own)
      const { content, newPassphrase } = await this.#open(recovery, own.username, given)
      await recovery.auth.logout()
      await this.#learn(content.trust)
      restored = { newPassphrase, unopenedKeys: await act(recovery, content, credentials) }
      await this.#replace(recovery, content.device, credentials.replace)
      await this.#approve(recovery, content.device, credentials.deviceName)
      await this.#copyKeys(recovery.store)
      await this.#auth.login(credentials)
    } finally {
      const logout = { method: 'POST', path: '/v1/auth/logout', once: true } as const
      await recovery.api.call(logout).catch(() => undefined)
      recovery.http.close()
    }
    const { newPassphrase, unopenedKeys } = restored
    const { recoveryCode } = await this.#backup.create(
      newPassphrase === undefined ? {} : { passphrase: newPassphrase }
    )
    return { account: this.#auth.account!, recoveryCode, unopenedKeys }
  }

  /** Open the backup of this account. */
  async #open(
    { backup }: RecoveryClient,
    username: string,
    given: Usable | (() => Promise<BackupSecrets>)
  ): Promise<{ content: BackupContent; newPassphrase: string | undefined }> {
    const blob = await backup.fetch()
    if (blob === null) throw new ChatError('usage', 'no-backup', 'There is no backup of this account.')
    const { secret, newPassphrase } = typeof given === 'function' ? await usable(await given()) : given
    const content = await openContent(blob.bytes, secret, username, this.#store.extractableKeys)
    return { content, newPassphrase }
  }

  /** Take whom the device that made the backup knew. */
  async #learn({ users, conversations }: KnownTrust): Promise<void> {
    const from = 'your backup'
    await this.#store.update(async (tx) => {
      this.#trust.beginRestored(tx)
      for (const [username, { sequence, head, ...trust }] of Object.entries(users)) {
        this.#trust.restore(tx, username, trust)
        await this.#heads.note(tx, username, from, { sequence, head, from })
      }
      for (const [id, { sequence, head }] of Object.entries(conversations))
        await this.#heads.note(tx, id, from, { sequence, head, from })
    })
  }

  /** Revoke what this device replaces, before it is added: the user may have as many devices as allowed. */
  async #replace(
    { pending, devices }: RecoveryClient,
    { username, signing }: DeviceKeys,
    choose: ChooseReplaced = () => []
  ): Promise<void> {
    const active = (await devices.list()).filter(({ status }) => status === 'active')
    for (const id of await choose(active)) {
      await pending.post(username, async ({ chain }) =>
        chain.devices.has(id) ? revocation(username, id, chain, signing) : null
      )
      await this.#store.update((tx) => this.#renewals.plan(tx, true))
    }
  }

  /** Add this device to the account, signed by the recovery device. */
  async #approve(
    { pending, users }: RecoveryClient,
    recovery: DeviceKeys,
    deviceName = 'device'
  ): Promise<void> {
    const { username } = recovery
    const device = await this.#me.prepare(username, deviceName)
    await pending.post(username, async ({ chain, devices }: UserHistory) => {
      if (devices.has(device.signing.fingerprint)) return null
      const body = await newDevice('device-add', device, chain, recovery.signing)
      const request = { method: 'POST', path: '/v1/devices', body } as const
      return { username, sequence: chain.sequence + 1, signed: body.statement, request }
    })
    const { devices, hashes } = await users.get(username)
    const { added } = devices.get(device.signing.fingerprint)!
    await this.#store.update((tx) => this.#linking.trust(tx, device, hashes[added - 2]!))
  }

  /** The recovery device has verified them. This one verifies their links again when it uses them. */
  async #copyKeys(from: Store): Promise<void> {
    const keys = await from.list('key/')
    await this.#store.update((tx) => {
      for (const [name, value] of keys) tx.set(name, value)
    })
  }
}
