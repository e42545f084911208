import type { Static } from 'typebox'
import { Roster } from '../../protocol/conversations.js'
import type { KnownUsers } from '../conversations/chain-users.js'
import type { ConversationChains } from '../conversations/chains.js'
import type { VerifiedConversation } from '../conversations/record.js'
import type { UserChains } from '../identity/user-chains.js'
import type { Api } from '../transport/api.js'
import { pagesOf } from '../transport/pages.js'

type ServedMember = Static<typeof Roster>['members'][number]

/** Brings a conversation and the chains of its members up to date in few requests. */
export class Rosters {
  readonly #api: Api
  readonly #users: UserChains
  readonly #chains: ConversationChains

  constructor(api: Api, users: UserChains, chains: ConversationChains) {
    this.#api = api
    this.#users = users
    this.#chains = chains
  }

  /**
   * Ask the server where the chains end, then fetch and verify those that it shows to be out of date here. The
   * answer is a hint: members and devices come from the verified chains.
   *
   * @throws {ChatError} `refused`, `untrusted`, `unreachable`
   */
  async sync(conversationId: string): Promise<VerifiedConversation> {
    let head: string | undefined
    const outdated: string[] = []
    const path = `/v1/conversations/${conversationId}/roster`
    for await (const page of pagesOf(this.#api, path, Roster, 'members')) {
      head = page.head
      for (const member of page.members) if (!(await this.#isKnown(member))) outdated.push(member.username)
      await this.#users.offerKeys(page.members.flatMap(({ devices }) => devices))
    }
    if (outdated.length > 0) await this.#users.sync(outdated)
    return (await this.#chains.sync(conversationId, head)).conversation
  }

  async #isKnown({ username, chain }: ServedMember): Promise<boolean> {
    const user = await this.#users.peek(username)
    return user?.chain.head === chain.head && !(await this.#users.isInDoubt(username))
  }
}

/** For how many devices a session key has to be wrapped now. */
export function wrapCount({ chain }: VerifiedConversation, users: KnownUsers): number {
  let count = 0
  for (const [username, { root }] of chain.members) {
    const user = users.get(username)?.chain
    if (user?.root === root) count += user.devices.size
  }
  return count
}
