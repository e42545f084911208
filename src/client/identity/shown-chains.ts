import { ChatError } from '../errors.js'
import type { Api } from '../transport/api.js'
import { batches, fetchChains } from './fetch-chains.js'
import { lookAt, type ServedHistory } from './look.js'
import type { PublicKeys } from './public-keys.js'
import type { Extension, UserCopies } from './user-copies.js'

/** Users' chains as the server shows them, verified from their first statements. Only `keep` stores them. */
export class ShownChains {
  readonly #api: Api
  readonly #copies: UserCopies
  readonly #keys: PublicKeys

  constructor(api: Api, copies: UserCopies, keys: PublicKeys) {
    this.#api = api
    this.#copies = copies
    this.#keys = keys
  }

  /** @throws {ChatError} `user-not-found` (`refused`); `busy-chain` (`unreachable`); `untrusted` */
  async of(username: string): Promise<ServedHistory> {
    const served = (await fetchChains(this.#api, [{ username, after: 0 }])).get(username)
    const look = await lookAt(username, undefined, served, this.#keys)
    if (look.status === 'current') return look
    throw new ChatError('unreachable', 'busy-chain', `The chain of ${username} moves.`)
  }

  /** Each as it was when the call began, or longer. Users whom the server does not show are left out. */
  async ofAll(usernames: readonly string[]): Promise<Extension[]> {
    const found: Extension[] = []
    for (const batch of batches(usernames)) {
      const asked = batch.map((username) => ({ username, after: 0 }))
      for (const [username, served] of await fetchChains(this.#api, asked)) {
        const look = await lookAt(username, undefined, served, this.#keys)
        if (look.status !== 'behind') found.push({ username, ...look })
      }
    }
    return found
  }

  /** Store them, and pin users who are met for the first time. */
  keep(shown: readonly Extension[]): Promise<void> {
    return this.#copies.extend(shown)
  }
}
