import { generateEncryptionKeys, generateSigningKeys } from '../../crypto/keys.js'
import { ChatError } from '../errors.js'
import type { CryptoKey, Store } from '../stores/store.js'

export type StoredPair = { privateKey: CryptoKey; publicKey: string; fingerprint: string }

export type DeviceKeys = {
  username: string
  id: string
  name: string
  signing: StoredPair
  encryption: StoredPair
  encryptionVersion: number
  /** A new encryption key that is about to replace the present one. */
  next: StoredPair | null
}

export type StoredAccount = {
  username: string
  userId: string
  deviceId: string
  status: 'active' | 'pending'
}

export type KeyBits = 2048 | 3072 | 4096

const ACCOUNT = 'account'
const DEVICE = 'device'

/**
 * The user and the device of this client. Keys are stored before the server sees them, so that a lost
 * response loses no key.
 */
export class OwnDevice {
  readonly #store: Store
  readonly #rsaKeyBits: KeyBits
  #account: StoredAccount | null = null
  #device: DeviceKeys | null = null

  constructor(store: Store, rsaKeyBits: KeyBits) {
    this.#store = store
    this.#rsaKeyBits = rsaKeyBits
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

  /** @throws {ChatError} `usage`, `no-account` or `device-pending` */
  active(): { account: StoredAccount; device: DeviceKeys } {
    const account = this.#requireAccount()
    if (this.#device !== null && account.status === 'active') return { account, device: this.#device }
    throw new ChatError('usage', 'device-pending', 'This device waits for approval by another one.', {
      hint: 'Approve it on another device, restore a backup, or begin again with a reset.'
    })
  }

  /** The keys of this device for `username`: made earlier and not used yet, or new ones. */
  async prepare(username: string, name: string): Promise<DeviceKeys> {
    if (this.#device?.username === username) return this.#device
    const device = await this.generate(username, name, this.#store.extractableKeys)
    await this.saveDevice(device)
    return device
  }

  /** New keys of some device of the user, not stored. */
  async generate(username: string, name: string, extractable: boolean): Promise<DeviceKeys> {
    const [signing, encryption] = await Promise.all([
      generateSigningKeys({ extractable }),
      generateEncryptionKeys({ bits: this.#rsaKeyBits, extractable })
    ])
    return {
      username,
      id: crypto.randomUUID(),
      name,
      signing: { ...signing },
      encryption: { ...encryption },
      encryptionVersion: 1,
      next: null
    }
  }

  /** Make the encryption key that is to replace the present one, if there is none yet. */
  async prepareNextKey(): Promise<void> {
    const { device } = this.active()
    if (device.next !== null) return
    const { extractableKeys: extractable } = this.#store
    const next = await generateEncryptionKeys({ bits: this.#rsaKeyBits, extractable })
    await this.saveDevice({ ...device, next: { ...next } })
  }

  async saveDevice(device: DeviceKeys): Promise<void> {
    await this.#store.update((tx) => tx.set(DEVICE, device))
    this.#device = device
  }

  async saveAccount(account: StoredAccount): Promise<void> {
    await this.#store.update((tx) => tx.set(ACCOUNT, account))
    this.#account = account
  }

  /** The device was revoked: its keys are of no use any more. */
  async dropDevice(): Promise<void> {
    await this.#store.update((tx) => tx.delete(DEVICE))
    this.#device = null
  }

  /** Delete everything in the store. */
  async forget(): Promise<void> {
    await this.#store.update(async (tx) => {
      for (const [name] of await tx.list('')) tx.delete(name)
    })
    this.#account = null
    this.#device = null
  }

  #requireAccount(): StoredAccount {
    if (this.#account !== null) return this.#account
    throw new ChatError('usage', 'no-account', 'Nobody has registered or logged in here yet.')
  }
}
