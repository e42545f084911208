import type { ChainState, ChainUsers } from '../../../protocol/conversation-chain.js'
import { RuleViolation } from '../../../protocol/rule-violation.js'
import type { ChainDevice } from '../../../protocol/user-chain.js'
import type { DeviceHistory, UserState } from '../../../protocol/user-history.js'
import type { SigningDevice } from '../../chains/signing-device.js'
import type { CurrentUser, StoredMember } from './stored-chain.js'

/** An active device of a user. */
export interface CurrentDevice extends ChainDevice {
  userId: string
  /** Bytes of a wrap for it. */
  wrapBytes: number
  /** The owner's account is erased: the device counts, but nobody fetches wraps for it. */
  isErased: boolean
}

/** A state behind which only recent `device-add` statements follow. A session key may still name it. */
export interface RecentAdds {
  username: string
  state: ChainState
  /** The devices that they have added. */
  devices: ReadonlySet<string>
  /** When the first of them makes session keys out of date, in seconds since 1970. */
  until: number
}

/** A session key names a state that is not today's. */
export class StaleState extends Error {}

interface Parts {
  /** Users whom the request or the chain names, by username. */
  users: ReadonlyMap<string, CurrentUser>
  /** The members before the request. */
  members: ReadonlyMap<string, StoredMember>
  devices: readonly CurrentDevice[]
  recentAdds: readonly RecentAdds[]
  caller: { username: string; device: SigningDevice }
}

/**
 * The users' chains of today. Statements are signed by the calling device only, so no other device is known as
 * a signer.
 */
export class CurrentUsers implements ChainUsers {
  readonly #parts: Parts
  readonly #devices = new Map<string, CurrentDevice[]>()
  readonly #recentAdds: ReadonlyMap<string, RecentAdds>

  constructor(parts: Parts) {
    this.#parts = parts
    this.#recentAdds = new Map(parts.recentAdds.map((adds) => [adds.username, adds]))
    for (const device of parts.devices) {
      const devices = this.#devices.get(device.userId)
      if (devices === undefined) this.#devices.set(device.userId, [device])
      else devices.push(device)
    }
  }

  owners(signingKey: string): readonly string[] {
    const { device, username } = this.#parts.caller
    return signingKey === device.fingerprint && this.#parts.users.has(username) ? [username] : []
  }

  device(username: string, signingKey: string): DeviceHistory | undefined {
    const { caller, users } = this.#parts
    const { id, purpose, fingerprint } = caller.device
    if (username !== caller.username || signingKey !== fingerprint) return undefined
    const { root, sequence } = users.get(username)!
    // An active device came in under the current root.
    const isRecent = this.#recentAdds.get(username)?.devices.has(id) === true
    return { id, purpose, signingKey, root, added: isRecent ? sequence : 1, retired: null, keys: [] }
  }

  /** @throws {StaleState} @throws {RuleViolation} `user-not-found` */
  at(username: string, state: ChainState): UserState {
    const user = this.user(username)
    if (same(state, user)) return { root: user.root, devices: this.devices(username) }
    const adds = this.#recentAdds.get(username)
    if (adds !== undefined && same(state, adds.state))
      return { root: user.root, devices: this.devices(username).filter(({ id }) => !adds.devices.has(id)) }
    // The state of a member whom the request removes is that of an older key.
    const member = this.#parts.members.get(username)
    if (member !== undefined && same(state, member.state) && username !== this.#parts.caller.username)
      return { root: member.stateRoot, devices: [] }
    throw new StaleState()
  }

  /** Whether a session key may name this state today. */
  isCurrent(username: string, state: ChainState): boolean {
    const adds = this.#recentAdds.get(username)
    return same(state, this.user(username)) || (adds !== undefined && same(state, adds.state))
  }

  /**
   * When a session key with this state gets out of date because of recent devices, in seconds since 1970;
   * `Infinity` if it does not.
   */
  outdatedAt(username: string, state: ChainState): number {
    const adds = this.#recentAdds.get(username)
    return adds !== undefined && same(state, adds.state) ? adds.until : Infinity
  }

  /** @throws {RuleViolation} `user-not-found` */
  user(username: string): CurrentUser {
    const user = this.#parts.users.get(username)
    if (user === undefined) throw new RuleViolation('user-not-found', `There is no user ${username}.`)
    return user
  }

  /** The active devices of a user today. */
  devices(username: string): readonly CurrentDevice[] {
    return this.#devices.get(this.user(username).userId) ?? []
  }
}

function same(a: ChainState, b: ChainState): boolean {
  return a.sequence === b.sequence && a.head === b.head
}
