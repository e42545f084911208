import type { ChainKey } from '../../protocol/conversation-chain.js'
import type { ConversationChains } from '../conversations/chains.js'
import type { VerifiedConversation } from '../conversations/record.js'
import type { OwnDevice } from '../identity/own-device.js'
import type { UserChains } from '../identity/user-chains.js'
import type { Store, StoreTransaction } from '../stores/store.js'
import { toRecipient, type KeyForwarding, type OwnRecipient } from './forward.js'

/** Signing keys of own devices that the stream has shown to be added, the newest last. */
const ADDED = 'added'
/** A user has no more active devices. */
const MAX_ADDED = 16

/**
 * Own devices that may lack a session key. A member may make one without having seen that this user has added a
 * device: for 5 minutes the server takes it (protocol, "What the server accepts"). A member may also wrap something
 * else for the recovery device, which never says so. This device then forwards the key.
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
    const own = await this.#users.peek(this.#me.username)
    return [...(own?.chain.devices.values() ?? [])]
      .filter(({ signingKey }) => added.has(signingKey) && !isIn(signingKey))
      .map(toRecipient)
  }

  /** Plan to forward a key to these devices. Call `forward` when that is stored. */
  plan(tx: StoreTransaction, id: string, hash: string, devices: readonly OwnRecipient[]): void {
    for (const to of devices) this.#forwarding.planKey(tx, to, id, hash)
  }

  /**
   * This device has opened a session key, which is not stored yet. If that came late, those who came in after this
   * device lack it, too: they got what this one had. Those before have it from where this one has it from.
   *
   * @param isLate whether it was opened by a later wrap
   */
  async opened(id: string, link: ChainKey, isLate: boolean): Promise<void> {
    const { standing, device, username, signingKey: mine } = this.#me
    if (standing !== 'active' || device?.purpose !== 'chat' || (!isLate && link.username === username)) return
    const own = (await this.#users.peek(username))!
    const { history } = await this.#chains.get(id)
    const users = await this.#chains.users(id)
    const addedAt = (signingKey: string) => own.devices.get(signingKey)!.added
    const lacking = [...own.chain.devices.values()].filter(({ purpose, signingKey }) => {
      const isIn = history.rosterDevices(link, signingKey, users).length > 0
      return isLate ? !isIn && addedAt(signingKey) > addedAt(mine) : isIn && purpose === 'recovery'
    })
    if (lacking.length === 0) return
    await this.#store.update((tx) => this.plan(tx, id, link.hash, lacking.map(toRecipient)))
    this.forward()
  }

  /** Forward what is planned. */
  forward(): void {
    this.#forwarding.start()
  }
}
