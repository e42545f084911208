import type { UnwrapKeys } from '../../crypto/wraps.js'
import type { UserHistory } from '../../protocol/user-history.js'
import { ChatError } from '../errors.js'
import type { Store, StoreTransaction } from '../stores/store.js'
import {
  activeOf,
  followed,
  generateDevice,
  generateWrapPairs,
  isOutdated,
  isRetired,
  unwrapKeys,
  type DeviceKeys,
  type KeyBits,
  type KeyForm,
  type WrapPairs
} from './device-keys.js'
import { noAccount, requireStanding, standingOf, type Standing } from './standing.js'

export type StoredAccount = {
  username: string
  userId: string
  deviceId: string
  /** `pending` until this device stands in the chain and its person has confirmed the link. */
  status: 'active' | 'pending'
}

export type ActiveDevice = { account: StoredAccount; device: DeviceKeys }

export const ACCOUNT = 'account'
const DEVICE = 'device'
const SUCCESSOR = 'successor'

/**
 * The user and the device of this client. Keys are stored before the server sees them, so that a lost
 * response loses no key. They are destroyed only when the verified chain retires them.
 */
export class OwnDevice {
  readonly #store: Store
  readonly #form: KeyForm
  #account: StoredAccount | null = null
  #device: DeviceKeys | null = null
  #standing: Standing = 'none'

  constructor(store: Store, bits: KeyBits) {
    this.#store = store
    this.#form = { bits, extractable: store.extractableKeys }
  }

  async load(): Promise<void> {
    this.#account = (await this.#store.get<StoredAccount>(ACCOUNT)) ?? null
    this.#device = (await this.#store.get<DeviceKeys>(DEVICE)) ?? null
  }

  get account(): StoredAccount | null {
    return this.#account
  }

  /** Known as soon as its keys are made. */
  get device(): DeviceKeys | null {
    return this.#device
  }

  /** @throws {ChatError} `usage`, `no-account` */
  get username(): string {
    return this.#requireAccount().username
  }

  /**
   * Fingerprint of this device's signing key, to read with: whether or not the chain still has the device.
   *
   * @throws {ChatError} `usage`, `no-account`
   */
  get signingKey(): string {
    if (this.#device === null) throw noAccount()
    return this.#device.signing.fingerprint
  }

  get standing(): Standing {
    return this.#account?.status === 'active' ? this.#standing : 'none'
  }

  /**
   * @throws {ChatError} `no-account` or `device-pending` (`usage`); `displaced` or `revoked` (`untrusted`)
   */
  active(): ActiveDevice {
    const account = this.#requireAccount()
    if (this.#device === null || account.status !== 'active')
      throw new ChatError('usage', 'device-pending', 'This device waits for approval by another one.', {
        hint: 'Approve it on another device, restore a backup, or begin again with a reset.'
      })
    requireStanding(this.#standing, account.username)
    return { account, device: this.#device }
  }

  /** Do what the verified chain says of this device: its next keys, or its successor, take their place. */
  async follow(history: UserHistory | undefined): Promise<Standing> {
    if (this.#device === null) return 'none'
    if (history !== undefined) await this.#succeed(history)
    if (history !== undefined && isOutdated(history, this.#device)) {
      this.#device = await this.#store.update(async (tx) => {
        const device = followed((await tx.get<DeviceKeys>(DEVICE)) ?? null, history)
        if (device !== null) tx.set(DEVICE, device)
        return device
      })
      if (this.#device === null) return 'none'
    }
    const { id, signing } = this.#device
    this.#standing = standingOf(history, { id, signingKey: signing.fingerprint })
    return this.standing
  }

  /** The keys of this device for `username`: made earlier and not used yet, or new ones. */
  async prepare(username: string, name: string): Promise<DeviceKeys> {
    if (this.#device?.username === username) return this.#device
    const made = await generateDevice({ username, name }, this.#form)
    return (this.#device = await this.#keepFirst(DEVICE, made))
  }

  /** The keys that are to replace the present ones: made earlier and not used yet, or new ones. */
  async prepareNextKeys(): Promise<WrapPairs> {
    const { device } = this.active()
    if (device.next !== null) return device.next
    const made = await generateWrapPairs(this.#form)
    // Another call, or another process, may have made keys meanwhile, and signed for them.
    this.#device = await this.#store.update(async (tx) => {
      const stored = (await tx.get<DeviceKeys>(DEVICE))!
      if (stored.next !== null) return stored
      const prepared = { ...stored, next: made }
      tx.set(DEVICE, prepared)
      return prepared
    })
    return this.#device.next!
  }

  /** The keys of a device that is to take the place of this one: made earlier and not used yet, or new ones. */
  async prepareSuccessor(username: string, name: string): Promise<DeviceKeys> {
    const prepared = await this.#store.get<DeviceKeys>(SUCCESSOR)
    if (prepared?.username === username) return prepared
    return this.#keepFirst(SUCCESSOR, await generateDevice({ username, name }, this.#form))
  }

  /** The verified chain has retired this device: its successor takes its place, or the person gives it up. */
  async replaceRetired(history: UserHistory): Promise<void> {
    await this.#succeed(history)
    await this.#store.update(async (tx) => {
      const stored = await tx.get<DeviceKeys>(DEVICE)
      // Another process may have begun as a new device meanwhile.
      if (stored === undefined || !isRetired(history, stored)) return
      for (const name of [SUCCESSOR, DEVICE]) tx.delete(name)
    })
    await this.load()
    this.#standing = 'none'
  }

  /**
   * The private keys that open a wrap made for this encryption key of this device.
   *
   * @param encryptionKey fingerprint, as in the roster; undefined if the key was destroyed, or is not its own
   */
  async unwrapKeys(encryptionKey: string): Promise<UnwrapKeys | undefined> {
    const pairs = this.#pairs().find(({ encryption }) => encryption.fingerprint === encryptionKey)
    return pairs && unwrapKeys(pairs, this.#device!.signing.fingerprint)
  }

  /** All that may open a wrap for this device, newest first. */
  async allUnwrapKeys(): Promise<UnwrapKeys[]> {
    return Promise.all(this.#pairs().map((pairs) => unwrapKeys(pairs, this.#device!.signing.fingerprint)))
  }

  /** Keys that were replaced, and for which there may still be wraps. Newest first. */
  retiredKeys(): readonly WrapPairs[] {
    return this.#device?.retired ?? []
  }

  /** Destroy retired keys: the rekey stands in the chain, and every wrap for them was fetched and tried. */
  async destroyRetiredKeys(tried: readonly WrapPairs[]): Promise<void> {
    const gone = new Set(tried.map(({ encryption }) => encryption.fingerprint))
    this.#device = await this.#store.update(async (tx) => {
      const device = (await tx.get<DeviceKeys>(DEVICE)) ?? null
      if (device === null) return null
      const retired = device.retired.filter(({ encryption }) => !gone.has(encryption.fingerprint))
      tx.set(DEVICE, { ...device, retired })
      return { ...device, retired }
    })
  }

  async saveDevice(device: DeviceKeys): Promise<void> {
    await this.#store.update((tx) => tx.set(DEVICE, device))
    this.#device = device
  }

  /** @param change in the same transaction, of what was stored before */
  async saveAccount(
    account: StoredAccount,
    change?: (tx: StoreTransaction, before: StoredAccount | undefined) => Promise<void>
  ): Promise<void> {
    await this.#store.update(async (tx) => {
      await change?.(tx, await tx.get<StoredAccount>(ACCOUNT))
      tx.set(ACCOUNT, account)
    })
    this.#account = account
  }

  /** Delete everything in the store. */
  async forget(): Promise<void> {
    await this.#store.update(async (tx) => {
      for (const [name] of await tx.list('')) tx.delete(name)
    })
    this.#account = null
    this.#device = null
    this.#standing = 'none'
  }

  /** Store a device, unless there is one of the user by now. @returns the stored one */
  #keepFirst(record: string, made: DeviceKeys): Promise<DeviceKeys> {
    return this.#store.update(async (tx) => {
      const stored = await tx.get<DeviceKeys>(record)
      if (stored?.username === made.username) return stored
      tx.set(record, made)
      return made
    })
  }

  #pairs(): WrapPairs[] {
    if (this.#device === null) return []
    const { next, retired } = this.#device
    return [...(next === null ? [] : [next]), this.#device, ...retired]
  }

  /** If the chain has retired this device, and has its successor, that takes its place, in each process. */
  async #succeed(history: UserHistory): Promise<void> {
    if (activeOf(history, this.#device) !== null) return
    const found = await this.#store.update(async (tx) => {
      const keys = activeOf(history, await tx.get(DEVICE), await tx.get(SUCCESSOR))
      if (keys === null) return null
      const account = this.#account && { ...this.#account, deviceId: keys.id }
      tx.set(ACCOUNT, account)
      tx.set(DEVICE, keys)
      tx.delete(SUCCESSOR)
      return { keys, account }
    })
    if (found !== null) [this.#device, this.#account] = [found.keys, found.account]
  }

  #requireAccount(): StoredAccount {
    if (this.#account !== null) return this.#account
    throw noAccount()
  }
}
