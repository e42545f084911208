import { ChatError } from '../errors.js'
import type { Store, StoreTransaction } from '../stores/store.js'
import type { StoredUser } from './user-record.js'

/** The root under which a user was met first, or accepted. */
export type Pin = {
  username: string
  root: string
  verified: boolean
}

/**
 * The identity under which this device knows each user: trusted on first use, until the user verifies or
 * accepts.
 */
export class TrustStore {
  readonly #store: Store

  constructor(store: Store) {
    this.#store = store
  }

  /**
   * Pin a user who is met for the first time. Call it in the transaction that stores the chain: none is
   * without a pin.
   */
  async pinOnFirstUse(tx: StoreTransaction, { username, root }: StoredUser): Promise<void> {
    if ((await tx.get<Pin>(name(username))) === undefined)
      tx.set(name(username), { username, root, verified: false })
  }

  get(username: string): Promise<Pin | undefined> {
    return this.#store.get<Pin>(name(username))
  }

  async list(): Promise<Pin[]> {
    return (await this.#store.list<Pin>('pin/')).map(([, pin]) => pin)
  }

  async set(pin: Pin): Promise<void> {
    await this.#store.update((tx) => tx.set(name(pin.username), pin))
  }

  /** @throws {ChatError} `identity-changed` if one of these users has an identity that was not accepted */
  async requireTrusted(users: readonly StoredUser[]): Promise<void> {
    for (const { username, root } of users) {
      const pin = await this.get(username)
      if (pin !== undefined && pin.root !== root)
        throw new ChatError('identity-changed', 'identity-changed', `${username} has a new identity.`, {
          hint: `Compare safety numbers with ${username}, then accept the new identity.`
        })
    }
  }
}

function name(username: string): string {
  return `pin/${username}`
}
