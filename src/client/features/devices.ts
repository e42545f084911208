import { parseStatement } from '../../protocol/parse-statement.js'
import type { SignedStatement } from '../../protocol/schema.js'
import type { DeviceBinding } from '../../protocol/statements.js'
import { alarmOf, type Alarm, type Alarms } from '../identity/alarms.js'
import { revocation } from '../identity/device-statements.js'
import type { OwnChain } from '../identity/own-chain.js'
import type { OwnDevice } from '../identity/own-device.js'
import type { PendingStatements } from '../identity/pending.js'
import type { UserChains } from '../identity/user-chains.js'
import { readStatements } from '../identity/user-record.js'
import { USER_STATEMENTS } from '../identity/verify-user-chain.js'
import { ChatError, isDecidedRefusal } from '../errors.js'
import type { KeyRenewals } from '../session-keys/renewals.js'
import type { SessionKeys } from '../session-keys/store.js'
import type { Store } from '../stores/store.js'
import type { Api } from '../transport/api.js'
import { unlessUnsent } from './unsent.js'
import type { Account, Credentials } from '../types/account.js'
import type { DeviceInfo } from '../types/devices.js'
import type { Approval } from './approval.js'
import type { Auth } from './auth.js'
import { approvedBy } from './approved-by.js'
import type { DeviceList } from './device-list.js'
import type { DeviceRekey } from './rekey.js'

/** The user's devices. */
export class Devices {
  readonly #api: Api
  readonly #store: Store
  readonly #users: UserChains
  readonly #me: OwnDevice
  readonly #own: OwnChain
  readonly #pending: PendingStatements
  readonly #alarms: Alarms
  readonly #keys: SessionKeys
  readonly #renewals: KeyRenewals
  readonly #list: DeviceList
  readonly #approval: Approval
  readonly #auth: Auth
  readonly #rekey: DeviceRekey
  readonly #tellDevices: () => Promise<unknown>

  constructor(
    api: Api,
    store: Store,
    users: UserChains,
    me: OwnDevice,
    own: OwnChain,
    pending: PendingStatements,
    alarms: Alarms,
    keys: SessionKeys,
    renewals: KeyRenewals,
    list: DeviceList,
    approval: Approval,
    auth: Auth,
    rekey: DeviceRekey,
    tellDevices: () => Promise<unknown>
  ) {
    this.#api = api
    this.#store = store
    this.#users = users
    this.#me = me
    this.#own = own
    this.#pending = pending
    this.#alarms = alarms
    this.#keys = keys
    this.#renewals = renewals
    this.#list = list
    this.#approval = approval
    this.#auth = auth
    this.#rekey = rekey
    this.#tellDevices = tellDevices
  }

  /**
   * The devices of the user's verified chain, and those that wait for approval.
   *
   * @throws {ChatError} `ghost-device` (`untrusted`) if the server lists an active one that the chain lacks
   */
  list(): Promise<DeviceInfo[]> {
    return this.#list.all()
  }

  /** Devices that wait for approval. */
  async requests(): Promise<DeviceInfo[]> {
    return (await this.list()).filter(({ status }) => status === 'pending')
  }

  /**
   * The number to compare with the one that a waiting device shows: 12 groups of 5 digits. It changes when the
   * user's chain moves.
   *
   * @throws {ChatError} `device-not-found` (`usage`) if no such device waits
   */
  linkNumber(deviceId: string): Promise<string> {
    return this.#approval.number(deviceId)
  }

  /**
   * Approve a waiting device, and forward every session key of this device to it. The verified chain has the
   * device with the keys that were compared when this resolves.
   *
   * @param options.number the link number, as both devices have shown it
   * @throws {ChatError} `other-number` (`usage`) if this device would show another one by now; `swapped-key` or
   *   `ignored-statement` (`untrusted`)
   */
  async approve(deviceId: string, { number }: { number: string }): Promise<void> {
    await this.#approval.approve(deviceId, number)
    await unlessUnsent(this.#tellDevices())
  }

  /** Reject a waiting device. */
  async reject(deviceId: string): Promise<void> {
    await this.#own.requireActive()
    await this.#api.call({ method: 'DELETE', path: `/v1/devices/${encodeURIComponent(deviceId)}` })
  }

  /**
   * Revoke a device: its sessions end, and nothing more is encrypted for it. A device that revokes itself can't
   * be used any more.
   *
   * @returns active devices that it had approved, or that those had: it may be wise to revoke them, too
   * @throws {ChatError} `ignored-statement` (`untrusted`) if the server does nothing
   */
  async revoke(deviceId: string): Promise<{ approved: DeviceInfo[] }> {
    const { account, device } = await this.#own.requireActive()
    if (deviceId === device.id) return this.#revokeSelf(account.username, deviceId)
    await this.#postRevocation(account.username, deviceId)
    await this.#store.update((tx) => this.#renewals.plan(tx, true))
    await unlessUnsent(this.#renewals.resume())
    await unlessUnsent(this.#tellDevices())
    return { approved: await this.#approvedBy(account.username, deviceId) }
  }

  /**
   * Replace this device's encryption keys. The old ones are destroyed as soon as nothing needs them.
   * `forgetPast` destroys the session keys too: nobody can decrypt earlier messages on this device any more.
   *
   * @throws {ChatError} `ignored-statement` (`untrusted`) if the server does nothing
   */
  async rekey({ forgetPast = false }: { forgetPast?: boolean } = {}): Promise<void> {
    await this.#rekey.start()
    if (!forgetPast) return
    await this.#rekey.forget()
    await this.#keys.destroyAll()
  }

  /** Begin again with this device when all others are lost. All contacts see a new identity. */
  reset(credentials: Credentials): Promise<Account> {
    return this.#auth.reset(credentials)
  }

  /**
   * Send again what this device has signed, or sign it again. If the server goes on ignoring or refusing it, an alarm
   * says so, and all else goes on.
   */
  async resume(): Promise<void> {
    if (this.#me.account?.status !== 'active') return
    await this.#own.requireActive()
    try {
      for (const [name, lost] of await this.#pending.resume())
        if (await this.#signAgain(lost)) await this.#pending.forget(name)
    } catch (error) {
      if (!(error instanceof ChatError)) throw error
      // A look has told that already.
      if (error.code === 'server-behind') return
      if (error.code !== 'ignored-statement') throw error
      this.#alarms.raise({ ...alarmOf(error), about: { username: this.#me.username } })
    }
  }

  /**
   * At the end that the chain has now. An approval is not: the numbers that the person has compared are others now.
   *
   * @returns whether nothing is left to do
   */
  async #signAgain({ text }: SignedStatement): Promise<boolean> {
    const statement = parseStatement(text, USER_STATEMENTS)
    const { kind, device } = statement
    try {
      if (kind === 'device-revoke') await this.revoke(device)
      if (kind === 'device-rekey') await this.#rekey.start()
      if (kind === 'device-add' && statement.purpose === 'chat') await this.#tellUnlessAdded(statement)
    } catch (error) {
      // The chain that this device has by now never had the other one.
      if (error instanceof ChatError && error.kind === 'usage' && error.code === 'device-not-found')
        return true
      if (!isDecidedRefusal(error)) throw error
      const refused =
        kind === 'device-revoke' ? `to revoke your device ${device}` : 'to replace the keys of this device'
      const message = `The server refuses ${refused}: ${error.message}`
      this.#alarms.raise(this.#refused(message), `refused-statement/${kind}/${device}`)
      return false
    }
    return true
  }

  async #tellUnlessAdded({ device, signingKey }: DeviceBinding): Promise<void> {
    const { devices } = await this.#users.get(this.#me.username)
    if (devices.has(signingKey)) return
    const message = `Your device ${device} was not linked. Compare the numbers on both devices again.`
    await this.#alarms.raiseOnce(this.#refused(message), `refused-statement/${device}`)
  }

  #refused(message: string): Alarm {
    return { code: 'refused-statement', message, about: { username: this.#me.username } }
  }

  /** The session ends before the device can look at the chain. */
  async #revokeSelf(username: string, deviceId: string): Promise<{ approved: DeviceInfo[] }> {
    await this.#users.sync([username])
    const approved = await this.#approvedBy(username, deviceId)
    await this.#postRevocation(username, deviceId).catch((error: unknown) => {
      if (!(error instanceof ChatError) || error.kind !== 'logged-out') throw error
    })
    await this.#api.end()
    return { approved }
  }

  /** Ends as well if the device was revoked before. */
  #postRevocation(username: string, deviceId: string): Promise<void> {
    return this.#pending.post(
      username,
      async ({ chain }) => {
        const { device } = await this.#own.requireActive()
        if (chain.retired.has(deviceId)) return null
        if (!chain.devices.has(deviceId))
          throw new ChatError('usage', 'device-not-found', 'You have no such device.')
        return revocation(username, deviceId, chain, device.signing)
      },
      (tx) => this.#renewals.plan(tx, true)
    )
  }

  async #approvedBy(username: string, deviceId: string): Promise<DeviceInfo[]> {
    const history = await this.#users.get(username)
    const ids = approvedBy(history, await readStatements(this.#store, username, 0), deviceId)
    return ids.size === 0 ? [] : (await this.list()).filter(({ id }) => ids.has(id))
  }
}
