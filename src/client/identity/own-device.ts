import { generateEncryptionKeys, generateSigningKeys } from '../../crypto/keys.js'
import type { Core } from '../core.js'
import { ChatError } from '../errors.js'
import type { CryptoKey } from '../stores/store.js'

export type StoredPair = { privateKey: CryptoKey; publicKey: string; fingerprint: string }

/** This device's keys, kept before the server hears of them, so that nothing is lost if the answer is. */
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

const ACCOUNT = 'account'
const DEVICE = 'device'

/** Who this client is: one user, one device. */
export class OwnDevice {
  readonly #core: Core
  #account: StoredAccount | null = null
  #device: DeviceKeys | null = null

  constructor(core: Core) {
    this.#core = core
  }

  async load(): Promise<void> {
    this.#account = (await this.#core.store.get<StoredAccount>(ACCOUNT)) ?? null
    this.#device = (await this.#core.store.get<DeviceKeys>(DEVICE)) ?? null
  }

  get account(): StoredAccount | null {
    return this.#account
  }

  /** Known from the moment at which the keys are made. */
  get device(): DeviceKeys | null {
    return this.#device
  }

  /** @throws {ChatError} `usage`, `no-account` */
  get username(): string {
    return this.#known().username
  }

  #known(): StoredAccount {
    if (this.#account !== null) return this.#account
    throw new ChatError('usage', 'no-account', 'Nobody has registered or logged in here yet.')
  }

  /** @throws {ChatError} `usage`, `no-account` or `device-pending` */
  active(): { account: StoredAccount; device: DeviceKeys } {
    const account = this.#known()
    if (this.#device !== null && account.status === 'active') return { account, device: this.#device }
    throw new ChatError('usage', 'device-pending', 'This device waits for approval by another one.', {
      hint: 'Approve it on another device, restore a backup, or begin anew with a reset.'
    })
  }

  /** The keys of this device for `username`: those that were made before and not used, or new ones. */
  async prepare(username: string, name: string): Promise<DeviceKeys> {
    if (this.#device?.username === username) return this.#device
    const device = await makeDevice(this.#core, username, name, this.#core.store.extractableKeys)
    await this.keep(device)
    return device
  }

  async keep(device: DeviceKeys): Promise<void> {
    await this.#core.store.update((tx) => tx.set(DEVICE, device))
    this.#device = device
  }

  async become(account: StoredAccount): Promise<void> {
    await this.#core.store.update((tx) => tx.set(ACCOUNT, account))
    this.#account = account
  }

  /** The device is no longer one of the account's: its keys are of no use. */
  async dropDevice(): Promise<void> {
    await this.#core.store.update((tx) => tx.delete(DEVICE))
    this.#device = null
  }

  async forget(): Promise<void> {
    await this.#core.store.update(async (tx) => {
      for (const [name] of await tx.list('')) tx.delete(name)
    })
    this.#account = null
    this.#device = null
  }
}

export async function makeDevice(
  core: Core,
  username: string,
  name: string,
  extractable: boolean
): Promise<DeviceKeys> {
  const [signing, encryption] = await Promise.all([
    generateSigningKeys({ extractable }),
    generateEncryptionKeys({ bits: core.options.rsaKeyBits, extractable })
  ])
  const id = crypto.randomUUID()
  return {
    username,
    id,
    name,
    signing: { ...signing },
    encryption: { ...encryption },
    encryptionVersion: 1,
    next: null
  }
}
