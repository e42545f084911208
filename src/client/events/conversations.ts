import type { Static } from 'typebox'
import type { durableEvents } from '../../protocol/events.js'
import type { ConversationChains } from '../conversations/chains.js'
import { toConversation } from '../conversations/info.js'
import { changeOf } from '../conversations/member-events.js'
import type { OwnDevice } from '../identity/own-device.js'
import type { UserChains } from '../identity/user-chains.js'
import type { KeyForwarding } from '../session-keys/forward.js'
import type { ChatEvent } from '../types/events.js'
import type { Handled } from './handled.js'

type ChainEvent = Static<(typeof durableEvents)['conversation.created' | 'conversation.chain']>

/** Handles statements about the members of a conversation. */
export class ConversationEvents {
  readonly #users: UserChains
  readonly #chains: ConversationChains
  readonly #forwarding: KeyForwarding
  readonly #me: OwnDevice

  constructor(users: UserChains, chains: ConversationChains, forwarding: KeyForwarding, me: OwnDevice) {
    this.#users = users
    this.#chains = chains
    this.#forwarding = forwarding
    this.#me = me
  }

  /** @param sequence of the statement in the conversation's chain */
  async *statement(
    { conversationId, position, statement: signed }: ChainEvent,
    sequence: number
  ): AsyncGenerator<Handled> {
    const { username } = this.#me
    const before = await this.#chains.peek(conversationId)
    const { conversation } = await this.#chains.add(conversationId, signed, sequence)
    const link = await this.#chains.link(conversationId, sequence)
    const statement = link?.statement
    const events: ChatEvent[] = []
    if (before === undefined || statement?.kind === 'conversation-create')
      events.push({
        type: 'conversation',
        conversation: await toConversation(conversation, this.#users, username)
      })
    if (link !== undefined) events.push(...changeOf(conversation, link, position))
    yield { events }
    const isRejoin = statement?.kind === 'conversation-add' && statement.member.username === username
    if (isRejoin && before !== undefined) await this.#forwarding.shareAfterRejoin(conversationId)
  }
}
