import type { ConversationChain } from '../../protocol/conversation-chain.js'
import { parseStatement } from '../../protocol/parse-statement.js'
import type { SignedStatement } from '../../protocol/schema.js'
import type { Statement } from '../../protocol/statements.js'
import type { ConversationChains } from '../conversations/chains.js'
import { CONVERSATION_STATEMENTS } from '../conversations/verify.js'
import type { Alarms } from '../identity/alarms.js'
import type { OwnDevice } from '../identity/own-device.js'
import type { Store, StoreTransaction } from '../stores/store.js'
import type { PendingRequest } from './pending.js'

type Link = Statement<(typeof CONVERSATION_STATEMENTS)[number]>

const AREA = 'lost-request/'

/**
 * Changes that were sent again and refused, when nobody waited for the answer. The person is told what has not been
 * done, unless somebody has done it meanwhile.
 */
export class LostRequests {
  readonly #store: Store
  readonly #chains: ConversationChains
  readonly #me: OwnDevice
  readonly #alarms: Alarms

  constructor(store: Store, chains: ConversationChains, me: OwnDevice, alarms: Alarms) {
    this.#store = store
    this.#chains = chains
    this.#me = me
    this.#alarms = alarms
  }

  /** Call it in the transaction that gives the request up. */
  note(tx: StoreTransaction, { last, body }: PendingRequest): void {
    const statements = (body['statements'] ?? []) as SignedStatement[]
    // Nobody has asked for a request that brings only a key: a client that needs one makes another.
    if (statements.length > 0)
      tx.set(
        AREA + last,
        statements.map(({ text }) => text)
      )
  }

  /** Tell what has not been done. */
  async tell(): Promise<void> {
    for (const [name, texts] of await this.#store.list<string[]>(AREA)) {
      const links = texts.map((text) => parseStatement(text, CONVERSATION_STATEMENTS))
      const conversationId = links[0]!.conversation
      const chain = (await this.#chains.peekReadable(conversationId))?.chain
      const missing = links.filter((link) => !this.#isDone(link, chain)).map(wish)
      if (missing.length > 0)
        await this.#alarms.raiseOnce(
          {
            code: 'refused-request',
            message: `The server has refused a change, which was not made: ${missing.join(', ')}.`,
            about: chain === undefined ? { username: this.#me.username } : { conversationId }
          },
          `refused-request/${name.slice(AREA.length)}`
        )
      await this.#store.update((tx) => tx.delete(name))
    }
  }

  #isDone(link: Link, chain: ConversationChain | undefined): boolean {
    const member = (username: string) => chain?.members.get(username)
    switch (link.kind) {
      // Clients make the others by themselves, when they need them.
      case 'conversation-create':
        return link.conversationKind !== 'group'
      case 'conversation-add':
        return member(link.member.username) !== undefined
      case 'conversation-role':
        return member(link.member.username)?.role === link.member.role
      case 'conversation-renew':
        return member(link.member.username)?.root === link.member.root
      case 'conversation-remove':
        return member(link.username) === undefined
      case 'conversation-leave':
        return member(this.#me.username) === undefined
      case 'conversation-timer':
        return chain?.messageTtl === link.messageTtl
      case 'conversation-key':
        return true
    }
  }
}

/** The change in words. */
function wish(link: Link): string {
  switch (link.kind) {
    case 'conversation-add':
      return `${link.member.username} added`
    case 'conversation-role':
      return `${link.member.username} as ${link.member.role}`
    case 'conversation-renew':
      return `${link.member.username} renewed`
    case 'conversation-remove':
      return `${link.username} removed`
    case 'conversation-leave':
      return 'you leave'
    case 'conversation-timer':
      return 'the time after which messages are deleted'
    case 'conversation-create':
    case 'conversation-key':
      return 'a new group'
  }
}
