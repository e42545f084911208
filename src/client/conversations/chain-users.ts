import type { ChainState, ChainUsers } from '../../protocol/conversation-chain.js'
import {
  userState,
  type DeviceHistory,
  type UserHistory,
  type UserState
} from '../../protocol/user-history.js'
import { untrusted } from '../errors.js'

/** Verified chains of the users who are, or were, in one conversation. */
export class KnownUsers implements ChainUsers {
  readonly #users = new Map<string, UserHistory>()
  readonly #owners = new Map<string, Set<string>>()
  readonly #states = new Map<string, UserState>()

  /** Add a user, or what is new in the user's chain. */
  add(user: UserHistory): void {
    const { user: username } = user.chain
    const before = this.#users.get(username)
    if (before === user) return
    // The person may have taken another chain in the place of the known one.
    if (before !== undefined && user.hashes[before.hashes.length - 1] !== before.chain.head)
      this.remove(username)
    this.#users.set(username, user)
    for (const signingKey of user.devices.keys()) {
      const owners = this.#owners.get(signingKey) ?? new Set()
      this.#owners.set(signingKey, owners.add(username))
    }
  }

  remove(username: string): void {
    this.#users.delete(username)
    for (const owners of this.#owners.values()) owners.delete(username)
    for (const name of this.#states.keys()) if (name.startsWith(`${username} `)) this.#states.delete(name)
  }

  get size(): number {
    return this.#users.size
  }

  get(username: string): UserHistory | undefined {
    return this.#users.get(username)
  }

  /** Whether the user's chain is known up to this statement. */
  reaches(username: string, { sequence }: ChainState): boolean {
    return (this.#users.get(username)?.hashes.length ?? 0) >= sequence
  }

  owners(signingKey: string): readonly string[] {
    return [...(this.#owners.get(signingKey) ?? [])]
  }

  device(username: string, signingKey: string): DeviceHistory | undefined {
    return this.#users.get(username)?.devices.get(signingKey)
  }

  /**
   * @throws {ChatError} `withheld-chain` (`untrusted`) if the server does not show so much of the user's
   *   chain; `forked-chain` if the chain has another statement there
   */
  at(username: string, { sequence, head }: ChainState): UserState {
    const user = this.#users.get(username)
    const hash = user?.hashes[sequence - 1]
    if (user === undefined || hash === undefined)
      throw untrusted(
        'withheld-chain',
        `A session key names statement ${sequence} of ${username}’s chain, and the server does not show it.`
      )
    if (hash !== head)
      throw untrusted(
        'forked-chain',
        `A session key names another statement ${sequence} of ${username}’s chain: ${head}, not ${hash}.`
      )
    const name = `${username} ${sequence}`
    let state = this.#states.get(name)
    if (state === undefined) this.#states.set(name, (state = userState(user, sequence)!))
    return state
  }
}
