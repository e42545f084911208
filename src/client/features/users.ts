import { UserPage } from '../../protocol/accounts.js'
import { ChatError } from '../errors.js'
import type { OwnDevice } from '../identity/own-device.js'
import type { UserChains } from '../identity/user-chains.js'
import type { Api } from '../transport/api.js'
import { unlessUnsent } from './unsent.js'
import type { UserInfo } from '../types/contacts.js'
import { toUsername } from './username.js'

/** All users of the server. */
export class Users {
  readonly #api: Api
  readonly #users: UserChains
  readonly #me: OwnDevice
  readonly #tellDevices: () => Promise<unknown>

  /** @param tellDevices sends what was decided to the user's other devices */
  constructor(api: Api, users: UserChains, me: OwnDevice, tellDevices: () => Promise<unknown>) {
    this.#api = api
    this.#users = users
    this.#me = me
    this.#tellDevices = tellDevices
  }

  /** Usernames that begin with a prefix of at least 3 characters. */
  async find(prefix: string, limit = 50): Promise<string[]> {
    const query = `prefix=${encodeURIComponent(prefix)}&limit=${Math.min(Math.max(limit, 1), 200)}`
    const path = `/v1/users?${query}`
    const { body } = await this.#api.call({ method: 'GET', path, response: UserPage })
    return body.items.map(({ username }) => username)
  }

  /** A user, fetched from the server and verified. @throws `user-not-found` (`refused`) */
  async get(username: string): Promise<UserInfo> {
    const name = toUsername(username)
    await this.#users.sync([name])
    const { root, head, devices } = (await this.#users.get(name)).chain
    const shown = [...devices.values()].map(({ id, signingKey: fingerprint, purpose }) => ({
      id,
      fingerprint,
      purpose
    }))
    return { username: name, root, head, devices: shown }
  }

  /**
   * Take the chain that the server shows of a user in the place of the one known here, after `forked-chain` or
   * `server-behind`. Safety numbers have to be compared again.
   *
   * @param head of the server's chain, as the error names it (`heads.served`)
   * @throws {ChatError} `other-head` (`usage`) if the server shows another one by now; `own-username`
   */
  async accept(username: string, head: string): Promise<void> {
    const name = toUsername(username)
    if (name === this.#me.username)
      throw new ChatError('usage', 'own-username', 'Nobody accepts a chain in the place of their own.', {
        hint: 'If your devices are lost, begin again with a reset.'
      })
    await this.#users.accept(name, ({ chain }) => chain.head === head)
    await unlessUnsent(this.#tellDevices())
  }
}
