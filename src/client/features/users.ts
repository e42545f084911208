import { UserPage } from '../../protocol/accounts.js'
import type { UserChains } from '../identity/user-chains.js'
import type { Api } from '../transport/api.js'
import type { UserInfo } from '../types/contacts.js'

/** All users of the server. */
export class Users {
  readonly #api: Api
  readonly #users: UserChains

  constructor(api: Api, users: UserChains) {
    this.#api = api
    this.#users = users
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
    const { user } = await this.#users.sync(username.toLowerCase())
    const devices = user.devices.map(({ id, signingKey: fingerprint }) => ({ id, fingerprint }))
    return { username: user.username, userId: user.userId, root: user.root, devices }
  }
}
