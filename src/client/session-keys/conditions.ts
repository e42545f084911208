import type { KnownUsers } from '../conversations/chain-users.js'
import type { ConversationChains } from '../conversations/chains.js'
import type { VerifiedConversation } from '../conversations/record.js'
import type { TrustedMembers } from '../conversations/trusted-members.js'
import { countsIn, type HeardHeads } from '../identity/heard-heads.js'
import type { UserChains } from '../identity/user-chains.js'

/** Whether a message or a session key may be sealed in a conversation now (protocol, rules 8 and 9). */
export class SealingConditions {
  readonly #users: UserChains
  readonly #heads: HeardHeads
  readonly #chains: ConversationChains
  readonly #trusted: TrustedMembers

  constructor(users: UserChains, heads: HeardHeads, chains: ConversationChains, trusted: TrustedMembers) {
    this.#users = users
    this.#heads = heads
    this.#chains = chains
    this.#trusted = trusted
  }

  /** Look again where the last look has shown too little, or something else. */
  async lookAgain(id: string): Promise<void> {
    if (await this.#chains.isInDoubt(id)) await this.#chains.sync(id)
    const { chain } = await this.#chains.get(id)
    const inDoubt: string[] = []
    for (const name of chain.members.keys()) if (await this.#users.isInDoubt(name)) inDoubt.push(name)
    if (inDoubt.length > 0) await this.#users.sync(inDoubt)
  }

  /**
   * @param request what the request does to members that is to be sealed
   * @param request.removed those whom it removes, if it does nothing else: nothing about them is in its way
   * @param request.named those whom it names: they may come in with it
   * @throws {ChatError} `identity-changed`; `server-behind`, `forked-chain` or `withheld-chain` (`untrusted`)
   */
  async require(
    conversation: VerifiedConversation,
    users: KnownUsers,
    { removed, named = [] }: { removed?: ReadonlySet<string> | undefined; named?: readonly string[] } = {}
  ): Promise<void> {
    const members = [...new Set([...conversation.chain.members.keys(), ...named])].filter(
      (username) => removed?.has(username) !== true
    )
    await this.requireChain(conversation.id)
    await this.#chains.requireShown(conversation.id)
    await this.#requireHeard(conversation, removed)
    await this.requireUsers(members, users)
    await this.#trusted.require(conversation, users, removed)
  }

  /**
   * Nothing is sealed for users of whose chains own devices know more than the server shows.
   *
   * @throws {ChatError} `server-behind`, `forked-chain` or `withheld-chain` (`untrusted`)
   */
  async requireUsers(usernames: readonly string[], users: KnownUsers): Promise<void> {
    await this.#users.requireCurrent(usernames)
    for (const username of usernames)
      await this.#heads.require(
        { username },
        () => true,
        (sequence) => users.get(username)?.hashes[sequence - 1],
        async () => {
          await this.#users.sync([username])
          const { hashes } = await this.#users.get(username)
          return (sequence) => hashes[sequence - 1]
        }
      )
  }

  /** @throws {ChatError} `server-behind` or `forked-chain` (`untrusted`) */
  async requireChain(id: string): Promise<void> {
    const trouble = await this.#chains.trouble(id)
    if (trouble !== undefined) throw trouble
  }

  /** The chain has to show what this person's other devices, and admins who stay, know of it. */
  async #requireHeard(
    { id, history, chain }: VerifiedConversation,
    removed?: ReadonlySet<string>
  ): Promise<void> {
    await this.#heads.require(
      { conversationId: id },
      countsIn(chain, removed),
      (sequence) => history.hashAt(sequence),
      async () => {
        const { conversation } = await this.#chains.sync(id)
        return (sequence) => conversation.history.hashAt(sequence)
      }
    )
  }
}
