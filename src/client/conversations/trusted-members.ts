import type { UserHistory } from '../../protocol/user-history.js'
import { ChatError } from '../errors.js'
import type { Alarms } from '../identity/alarms.js'
import type { OwnDevice } from '../identity/own-device.js'
import type { TrustStore } from '../identity/trust-store.js'
import type { KnownUsers } from './chain-users.js'
import type { VerifiedConversation } from './record.js'

/** Whether a conversation has only identities that this person has met first or accepted (rule 8). */
export class TrustedMembers {
  readonly #trust: TrustStore
  readonly #alarms: Alarms
  readonly #me: OwnDevice

  constructor(trust: TrustStore, alarms: Alarms, me: OwnDevice) {
    this.#trust = trust
    this.#alarms = alarms
    this.#me = me
  }

  /**
   * @param removed the members whom the request removes that is to be sealed, if it does nothing else. Then only
   *   those count who get its key: a person puts one after the other out, whatever became of the rest
   * @throws {ChatError} `identity-changed`
   */
  async require(
    { id, stored, history, chain }: VerifiedConversation,
    users: KnownUsers,
    removed?: ReadonlySet<string>
  ): Promise<void> {
    for (const username of history.usernames) {
      if (username === this.#me.username) continue
      const user = users.get(username)
      if (user === undefined) continue
      const line = chain.members.get(username)
      const { root } = user.chain
      if (removed !== undefined && (removed.has(username) || line?.root !== root)) continue
      const isStrict = chain.kind === 'direct' || (await this.#trust.of(username))?.verified === true
      for (const { root, since, isRenewed } of history.rootsOf(username)) {
        if (since <= stored.acceptedTo || (await this.#trust.admits(username, root, user))) continue
        if (isStrict || !isRenewed) throw identityChanged(username)
        await this.#tell(id, username, root)
      }
      if (line === undefined || line.root === root) continue
      // Others have named an earlier root: a newer one that was only met does not take its place unasked.
      const isKnown = isStrict
        ? this.#trust.hasDecided(username, root)
        : this.#trust.admits(username, root, user)
      if (await isKnown) continue
      if (isStrict) throw identityChanged(username)
      await this.#tell(id, username, root)
    }
  }

  /** @throws {ChatError} `identity-changed` if the user's newest root was not accepted */
  async requireCurrent(user: UserHistory): Promise<void> {
    const { user: username, root } = user.chain
    if (username !== this.#me.username && !(await this.#trust.admits(username, root, user)))
      throw identityChanged(username)
  }

  async #tell(conversationId: string, username: string, root: string): Promise<void> {
    await this.#alarms.raiseOnce({
      code: 'identity-changed',
      message: `${username} has a new identity, ${root}.`,
      about: { conversationId, username }
    })
  }
}

function identityChanged(username: string): ChatError {
  return new ChatError('identity-changed', 'identity-changed', `${username} has a new identity.`, {
    about: { username },
    hint: `Compare safety numbers with ${username}, then accept the new identity.`
  })
}
