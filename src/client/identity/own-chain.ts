import type { ActiveDevice, OwnDevice } from './own-device.js'
import type { Standing } from './standing.js'
import type { UserChains } from './user-chains.js'

/**
 * The guard of the own chain (docs/protocol.md, "What a client believes"). All that shares, seals, signs into
 * chains or computes a number to compare asks it first.
 */
export class OwnChain {
  readonly #users: UserChains
  readonly #me: OwnDevice

  constructor(users: UserChains, me: OwnDevice) {
    this.#users = users
    this.#me = me
  }

  /**
   * This device, if it stands in this client's copy of its user's chain.
   *
   * @throws {ChatError} `no-account` or `device-pending` (`usage`); `displaced` or `revoked` (`untrusted`)
   */
  async requireActive(): Promise<ActiveDevice> {
    await this.#users.guard()
    return this.#me.active()
  }

  /** The user, and the root under which this device came in, whatever the chain says of others. @throws as above */
  async identity(): Promise<{ username: string; root: string }> {
    const { account, device } = await this.requireActive()
    const { username } = account
    const { devices } = await this.#users.get(username)
    return { username, root: devices.get(device.signing.fingerprint)!.root }
  }

  /** How this device stood when the chain was looked at last. */
  state(): Standing {
    return this.#me.standing
  }
}
