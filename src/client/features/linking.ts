import { DevicePage, DeviceResponse } from '../../protocol/devices.js'
import type { UserHistory } from '../../protocol/user-history.js'
import { linkNumber } from '../../crypto/link-number.js'
import { ChatError, isRefusal, untrusted } from '../errors.js'
import type { DeviceKeys } from '../identity/device-keys.js'
import { boundKeys, newDevice } from '../identity/device-statements.js'
import { requireStanding, standingOf } from '../identity/standing.js'
import type { UserChains } from '../identity/user-chains.js'
import type { Store, StoreTransaction } from '../stores/store.js'
import type { Api } from '../transport/api.js'
import { sameDigits } from './compared-digits.js'

/** The number that this device has shown last, and the head of the chain that it is for. */
type StoredLink = { deviceId: string; head: string; number: string; isConfirmed: boolean }

const NAME = 'link'

/** The new device's side of linking (docs/protocol.md, "Linking a device"). */
export class Linking {
  readonly #api: Api
  readonly #store: Store
  readonly #users: UserChains
  /** The device that has asked for approval in this process, and the head for which it has asked last. */
  #asked: { id: string; head: string } | null = null

  constructor(api: Api, store: Store, users: UserChains) {
    this.#api = api
    this.#store = store
    this.#users = users
  }

  /**
   * Whether the verified chain has this device, after a head that was compared. A device that began the chain, or
   * began it again, needs no other one.
   *
   * @throws {ChatError} `swapped-key` (`untrusted`) if the chain has other keys for it; `displaced` or `revoked`
   *   (`untrusted`) if it has retired the device
   */
  async isLinked(device: DeviceKeys): Promise<boolean> {
    await this.#users.sync([device.username])
    const history = await this.#users.get(device.username)
    const comparedHead = headBefore(history, device)
    if (comparedHead === null) return false
    if (history.chain.root === device.signing.fingerprint) return true
    const link = await this.#store.get<StoredLink>(NAME)
    return link?.isConfirmed === true && link.deviceId === device.id && link.head === comparedHead
  }

  /**
   * The number that the person compares with the other device. It changes when the chain moves.
   *
   * @throws {ChatError} as `isLinked` does
   */
  async number(device: DeviceKeys): Promise<string> {
    await this.#users.sync([device.username])
    const history = await this.#users.get(device.username)
    const head = headBefore(history, device) ?? history.chain.head
    const known = await this.#store.get<StoredLink>(NAME)
    if (known?.deviceId === device.id && known.head === head) return known.number
    const { username: user, id, ...keys } = boundKeys(device)
    const number = await linkNumber({ user, root: history.chain.root, head, device: id, ...keys })
    await this.#store.update((tx) => tx.set(NAME, { deviceId: id, head, number, isConfirmed: false }))
    return number
  }

  /**
   * The person says that the other device took the number.
   *
   * @throws {ChatError} `other-number` (`usage`) if this device shows another one by now
   */
  async confirm(number: string): Promise<void> {
    const link = await this.#store.get<StoredLink>(NAME)
    if (link === undefined || !sameDigits(number, link.number))
      throw new ChatError('usage', 'other-number', 'This device shows another link number.', {
        hint: 'Compare the numbers again. If they differ, do not link the devices.'
      })
    await this.#store.update((tx) => tx.set(NAME, { ...link, isConfirmed: true }))
  }

  /** The chain was verified in another way, up to the statement that adds this device: by a key backup. */
  trust(tx: StoreTransaction, { id: deviceId }: DeviceKeys, head: string): void {
    tx.set(NAME, { deviceId, head, number: '', isConfirmed: true } satisfies StoredLink)
  }

  /** Ask for approval, whatever became of an earlier request. */
  begin(device: DeviceKeys): Promise<void> {
    this.#asked = null
    return this.ask(device)
  }

  /**
   * Ask for approval, again whenever the chain has moved.
   *
   * @throws {ChatError} `device-not-found` (`refused`) if the request was turned down
   */
  async ask(device: DeviceKeys): Promise<void> {
    const { chain, devices } = await this.#users.get(device.username)
    if (devices.has(device.signing.fingerprint)) return
    const asked = this.#asked?.id === device.id ? this.#asked : null
    if (asked !== null) await this.#requirePending(device)
    if (asked?.head === chain.head) return
    const body = await newDevice('device-add', device, chain)
    try {
      await this.#api.call({ method: 'POST', path: '/v1/devices', body, response: DeviceResponse })
      this.#asked = { id: device.id, head: chain.head }
    } catch (error) {
      // The chain has moved on: the next call asks again.
      if (!isRefusal(error, 'stale-chain')) throw error
    }
  }

  async #requirePending({ id }: DeviceKeys): Promise<void> {
    const request = { method: 'GET', path: '/v1/devices', response: DevicePage } as const
    const { items } = (await this.#api.call(request)).body
    const status = items.find((device) => device.id === id)?.status
    if (status === 'pending' || status === 'active') return
    throw new ChatError('refused', 'device-not-found', 'The device was turned down, or forgotten.', {
      hint: 'Log in to ask again.'
    })
  }
}

/**
 * The head that the statement which added the device extends; null if the chain does not have the device. An
 * approval counts no more after a reset or a revocation: the number that was compared says nothing of either.
 */
function headBefore(history: UserHistory, device: DeviceKeys): string | null {
  const bound = history.devices.get(device.signing.fingerprint)
  if (bound === undefined) return null
  const isCurrent = [device, ...(device.next === null ? [] : [device.next])].some(
    ({ encryption }) => encryption.fingerprint === bound.keys.at(-1)!.encryptionKey
  )
  if (bound.id !== device.id || !isCurrent)
    throw untrusted('swapped-key', 'The chain has other keys for this device than it has made.')
  requireStanding(standingOf(history, { id: device.id, signingKey: bound.signingKey }), device.username)
  return history.hashes[bound.added - 2] ?? '-'
}
