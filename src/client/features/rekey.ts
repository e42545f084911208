import type { UserHistory } from '../../protocol/user-history.js'
import { isDecidedRefusal } from '../errors.js'
import { rekeyStatement } from '../identity/device-statements.js'
import type { OwnChain } from '../identity/own-chain.js'
import type { OwnDevice } from '../identity/own-device.js'
import type { PendingStatements } from '../identity/pending.js'
import type { RekeySchedule } from '../identity/rekey-schedule.js'
import type { UserChains } from '../identity/user-chains.js'
import { Mutex } from '../stores/mutex.js'
import type { RetiredKeys } from '../session-keys/retired-keys.js'

/** Replaces this device's encryption keys. */
export class DeviceRekey {
  readonly #users: UserChains
  readonly #me: OwnDevice
  readonly #own: OwnChain
  readonly #pending: PendingStatements
  readonly #schedule: RekeySchedule
  readonly #retired: RetiredKeys
  readonly #mutex = new Mutex()

  constructor(
    users: UserChains,
    me: OwnDevice,
    own: OwnChain,
    pending: PendingStatements,
    schedule: RekeySchedule,
    retired: RetiredKeys
  ) {
    this.#users = users
    this.#me = me
    this.#own = own
    this.#pending = pending
    this.#schedule = schedule
    this.#retired = retired
  }

  /** @throws {ChatError} the server's refusal; `ignored-statement` (`untrusted`) if it does nothing */
  start(): Promise<void> {
    return this.#mutex.runExclusive(async () => {
      await this.#own.requireActive()
      await this.#post(() => true)
      await this.#schedule.done()
      await this.#retired.destroy()
    })
  }

  /** Destroy the replaced private keys, although there may be wraps for them. */
  forget(): Promise<void> {
    return this.#retired.destroyAll()
  }

  /**
   * Replace the keys if that is due. The old private keys are destroyed when the chain has the new ones, and all
   * wraps for the old ones were tried.
   */
  resume(): Promise<void> {
    return this.#mutex.runExclusive(async () => {
      if (await this.#schedule.isDue()) await this.#startDue()
      await this.#retired.destroy()
    })
  }

  async #startDue(): Promise<void> {
    const { account, device } = await this.#own.requireActive()
    const isFree = (history: UserHistory) => this.#schedule.isFree(history, device.signing.fingerprint)
    await this.#users.sync([account.username])
    if (!(await isFree(await this.#users.get(account.username)))) return
    try {
      await this.#post(isFree)
      if (this.#me.device?.next === null) await this.#schedule.done()
    } catch (error) {
      if (!isDecidedRefusal(error)) throw error
      await this.#schedule.postpone()
    }
  }

  /** @param mayGoOn asked again when the chain has moved */
  async #post(mayGoOn: (history: UserHistory) => boolean | Promise<boolean>): Promise<void> {
    const next = await this.#me.prepareNextKeys()
    await this.#pending.post(this.#me.username, async (history) => {
      const { device } = await this.#own.requireActive()
      const isInChain = device.next?.encryption.fingerprint !== next.encryption.fingerprint
      if (isInChain || !(await mayGoOn(history))) return null
      const signed = await rekeyStatement(device, next, history.chain)
      const path = `/v1/devices/${device.id}/encryption-key`
      const body = { encryptionKey: next.encryption.publicKey, kemKey: next.kem.publicKey, statement: signed }
      const sequence = history.chain.sequence + 1
      return { username: device.username, sequence, signed, request: { method: 'PUT', path, body } }
    })
    await this.#users.offerKeys([
      {
        signingKey: this.#me.device!.signing.publicKey,
        encryptionKey: next.encryption.publicKey,
        kemKey: next.kem.publicKey
      }
    ])
  }
}
