import type { ConversationChains } from '../conversations/chains.js'
import type { VerifiedConversation } from '../conversations/record.js'
import type { OwnDevice } from '../identity/own-device.js'
import type { UserChains } from '../identity/user-chains.js'
import type { Store, StoreTransaction } from '../stores/store.js'
import type { KeyForwarding, OwnRecipient } from './forward.js'

/** Signing keys of own devices that the stream has shown to be added, the newest last. */
const ADDED = 'added'
/** A user has no more active devices. */
const MAX_ADDED = 16

/**
 * A member may make a session key without having seen that this user has added a device: for 5 minutes the
 * server takes it (protocol, "What the server accepts"). This device then forwards the key.
 */
export class LeftOutDevices {
  readonly #store: Store
  readonly #users: UserChains
  readonly #chains: ConversationChains
  readonly #forwarding: KeyForwarding
  readonly #me: OwnDevice

  constructor(
    store: Store,
    users: UserChains,
    chains: ConversationChains,
    forwarding: KeyForwarding,
    me: OwnDevice
  ) {
    this.#store = store
    this.#users = users
    this.#chains = chains
    this.#forwarding = forwarding
    this.#me = me
  }

  /** The stream has brought the statement that adds an own device: keys that come after it should know it. */
  async note(tx: StoreTransaction, signingKey: string): Promise<void> {
    const known = (await tx.get<string[]>(ADDED)) ?? []
    const others = known.filter((one) => one !== signingKey)
    tx.set(ADDED, [...others, signingKey].slice(-MAX_ADDED))
  }

  /** Own devices that the stream has shown before this key of the chain, and that are not in its roster. */
  async of({ id, history }: VerifiedConversation, hash: string): Promise<OwnRecipient[]> {
    const added = new Set((await this.#store.get<string[]>(ADDED)) ?? [])
    const link = history.key(hash)
    if (added.size === 0 || link === undefined || this.#me.standing !== 'active') return []
    const users = await this.#chains.users(id)
    const isIn = (signingKey: string) => history.rosterDevices(link, signingKey, users).length > 0
    if (!isIn(this.#me.signingKey)) return []
    const devices = (await this.#users.peek(this.#me.username))?.chain.devices.values() ?? []
    return [...devices]
      .filter(({ signingKey }) => added.has(signingKey) && !isIn(signingKey))
      .map(({ id: deviceId, signingKey, encryptionKey, kemKey }) => ({
        deviceId,
        signingKey,
        encryptionKey,
        kemKey
      }))
  }

  /** Plan to forward a key to these devices. Call `forward` when that is stored. */
  async plan(
    tx: StoreTransaction,
    id: string,
    hash: string,
    devices: readonly OwnRecipient[]
  ): Promise<void> {
    for (const to of devices) await this.#forwarding.planKey(tx, to, id, hash)
  }

  /** Forward what is planned. If this is interrupted, the next connection goes on with it. */
  forward(): void {
    this.#forwarding.resume().catch(() => undefined)
  }
}
