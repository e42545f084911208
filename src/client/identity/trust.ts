import type { Core } from '../core.js'
import { ChatError } from '../errors.js'
import type { StoreTransaction } from '../stores/store.js'
import type { StoredUser } from './user-record.js'

/** The root under which a user was met or accepted. */
export type Pin = {
  username: string
  root: string
  verified: boolean
}

/** Which identity of each user this device goes by: taken on trust at first sight, until the person says more. */
export class TrustStore {
  readonly #core: Core

  constructor(core: Core) {
    this.#core = core
  }

  /** Pin a user who is met for the first time, in the transaction that keeps the chain: there is none without a pin. */
  async pinOnFirstUse(tx: StoreTransaction, { username, root }: StoredUser): Promise<void> {
    if ((await tx.get<Pin>(name(username))) === undefined)
      tx.set(name(username), { username, root, verified: false })
  }

  get(username: string): Promise<Pin | undefined> {
    return this.#core.store.get<Pin>(name(username))
  }

  async list(): Promise<Pin[]> {
    return (await this.#core.store.list<Pin>('pin/')).map(([, pin]) => pin)
  }

  async set(pin: Pin): Promise<void> {
    await this.#core.store.update((tx) => tx.set(name(pin.username), pin))
  }

  async isChanged(user: StoredUser): Promise<boolean> {
    const pin = await this.get(user.username)
    return pin !== undefined && pin.root !== user.root
  }

  /** @throws {ChatError} `identity-changed` if one of these users has an identity that was not accepted */
  async requireTrusted(users: readonly StoredUser[]): Promise<void> {
    for (const user of users)
      if (await this.isChanged(user))
        throw new ChatError('identity-changed', 'identity-changed', `${user.username} has a new identity.`, {
          hint: `Compare safety numbers with ${user.username}, then accept the new identity.`
        })
  }
}

function name(username: string): string {
  return `pin/${username}`
}
