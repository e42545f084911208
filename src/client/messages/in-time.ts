import type { Boundaries, Boundary } from '../conversations/boundaries.js'
import type { Goings } from '../conversations/goings.js'
import type { ConversationChains } from '../conversations/chains.js'
import { untrusted } from '../errors.js'
import type { RosterSender, UsableKey } from '../session-keys/store.js'
import type { Store } from '../stores/store.js'
import { isAwaitingKey } from './awaiting-key.js'
import { isAboveLater } from './gaps.js'
import { hasRead } from '../stores/read-range.js'
import type { SeenMessages } from './seen.js'

/** A message in its place. */
interface Placed {
  /** Undefined while the message can't be opened. */
  n?: number
  id: string
  digest: string
  position: number
}

/** Refuses what the departed say after this client has learned of their going (protocol, rule 7). */
export class InTime {
  readonly #store: Store
  readonly #chains: ConversationChains
  readonly #goings: Goings
  readonly #boundaries: Boundaries
  readonly #seen: SeenMessages

  constructor(
    store: Store,
    chains: ConversationChains,
    goings: Goings,
    boundaries: Boundaries,
    seen: SeenMessages
  ) {
    this.#store = store
    this.#chains = chains
    this.#goings = goings
    this.#boundaries = boundaries
    this.#seen = seen
  }

  /**
   * @returns whether the device, or the membership to which the key belongs, has gone since
   * @throws {ChatError} `after-revocation` or `after-removal` (`untrusted`)
   */
  async check(key: Omit<UsableKey, 'material'>, sender: RosterSender, message: Placed): Promise<boolean> {
    const { conversationId, link } = key
    const device = await this.#deviceBoundary(conversationId, sender)
    if (device !== undefined && (await this.#isBehind(device, key, sender, message)))
      throw untrusted('after-revocation', `A message is by a device of ${sender.username} that has gone.`)
    const { chain, history } = await this.#chains.get(conversationId)
    const member = await this.#boundaries.ofMember(history, sender.username, link.sequence)
    if (member !== undefined && (await this.#isBehind(member, key, sender, message)))
      throw untrusted('after-removal', `A message is by ${sender.username}, who is not in any more.`)
    return device !== undefined || member !== undefined || !chain.members.has(sender.username)
  }

  async #deviceBoundary(id: string, { username, signingKey }: RosterSender): Promise<Boundary | undefined> {
    const user = (await this.#chains.users(id)).get(username)
    const device = user?.devices.get(signingKey)
    if (user === undefined || device === undefined || device.retired === null) return undefined
    const known = await this.#goings.deviceBoundary(id, user, device)
    if (known !== undefined) return known
    await this.#chains.findBoundaries(id)
    return this.#goings.deviceBoundary(id, user, device)
  }

  /**
   * Behind the boundary: at a later position; or never seen, although the stream has passed over its place, and has
   * come up to the boundary. All other places are the past. There a device had not come further than what the stream
   * brought of it later, and no message is older than its key.
   */
  async #isBehind(
    boundary: Boundary,
    { conversationId, link }: Omit<UsableKey, 'material'>,
    { signingKey }: RosterSender,
    { n, position, id, digest }: Placed
  ): Promise<boolean> {
    if (position > boundary.position) return true
    const counter = { conversationId, key: link.hash, signingKey }
    if (await hasRead(this.#store, position, boundary.position)) {
      if (n !== undefined && n <= (await this.#seen.highest(counter))) return false
      // It was shown before, when its key had not come yet, and nobody had gone.
      return !(await isAwaitingKey(this.#store, { conversationId, key: link.hash, id, digest, position }))
    }
    const { history } = await this.#chains.get(conversationId)
    if (await this.#boundaries.isMadeAfter(history, link.sequence, position)) return true
    if (n === undefined || (await this.#seen.isSeen(counter, { n, id, digest, position, departed: true })))
      return false
    return isAboveLater(this.#store, counter, { n, position })
  }
}
