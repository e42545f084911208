import type { ConversationKind, MemberLine, Role } from '../../protocol/statements.js'
import type { ConversationChains } from '../conversations/chains.js'
import type { VerifiedConversation } from '../conversations/record.js'
import type { TrustedMembers } from '../conversations/trusted-members.js'
import { ChatError, isRefusal, untrusted } from '../errors.js'
import type { OwnDevice } from '../identity/own-device.js'
import type { UserChains } from '../identity/user-chains.js'
import type { ChainRequests } from '../session-keys/requests.js'

type IsIt = (conversation: VerifiedConversation) => boolean

/** Creates conversations, each with its first session key. */
export class ConversationCreation {
  readonly #users: UserChains
  readonly #trusted: TrustedMembers
  readonly #chains: ConversationChains
  readonly #requests: ChainRequests
  readonly #me: OwnDevice

  constructor(
    users: UserChains,
    trusted: TrustedMembers,
    chains: ConversationChains,
    requests: ChainRequests,
    me: OwnDevice
  ) {
    this.#users = users
    this.#trusted = trusted
    this.#chains = chains
    this.#requests = requests
    this.#me = me
  }

  group(others: readonly string[]): Promise<VerifiedConversation> {
    return this.#create('group', others)
  }

  /** The direct conversation with a user, created if there is none. */
  async direct(username: string): Promise<VerifiedConversation> {
    if (username === this.#me.username)
      throw new ChatError('usage', 'own-username', 'A direct conversation is with somebody else.')
    return this.#only('direct', [username], 'direct-exists', isDirectWith(username))
  }

  /** The direct conversation with a user, if this device knows one. */
  knownDirect(username: string): Promise<VerifiedConversation | undefined> {
    return this.#known('direct', isDirectWith(username))
  }

  /** The conversation of the user's own devices, created if there is none. */
  self(): Promise<VerifiedConversation> {
    return this.#only('self', [], 'self-exists', ({ chain }) => chain.kind === 'self')
  }

  /** A conversation of which there is one, unless all its members have new roots. */
  async #only(
    kind: ConversationKind,
    others: readonly string[],
    code: string,
    isIt: IsIt
  ): Promise<VerifiedConversation> {
    const known = await this.#known(kind, isIt)
    if (known !== undefined) return known
    try {
      return await this.#create(kind, others)
    } catch (error) {
      if (!isRefusal(error, code)) throw error
      const { conversation } = await this.#chains.sync(String(error.members['conversationId']))
      if (isIt(conversation)) return conversation
      throw untrusted('moved-conversation', 'The server names a conversation of others.', error)
    }
  }

  async #known(kind: ConversationKind, isIt: IsIt): Promise<VerifiedConversation | undefined> {
    for (const stored of await this.#chains.list()) {
      const known = stored.kind === kind ? await this.#chains.peekReadable(stored.id) : undefined
      if (known !== undefined && isIt(known) && !(await this.#isOver(known))) return known
    }
    return undefined
  }

  /** After a reset of all members nobody can renew another's membership any more. */
  async #isOver({ chain }: VerifiedConversation): Promise<boolean> {
    for (const [username, { root }] of chain.members)
      if ((await this.#users.get(username)).chain.root === root) return false
    return true
  }

  #create(kind: ConversationKind, others: readonly string[]): Promise<VerifiedConversation> {
    return this.#requests.create(kind, () => this.#members(kind, others))
  }

  async #members(kind: ConversationKind, others: readonly string[]): Promise<MemberLine[]> {
    const me = this.#me.username
    await this.#users.sync([me, ...others])
    const members: MemberLine[] = []
    for (const username of [me, ...others]) {
      const user = await this.#users.get(username)
      if (username !== me) await this.#trusted.requireCurrent(user)
      const role: Role = kind === 'group' && username === me ? 'admin' : 'member'
      members.push({ username, role, root: user.chain.root })
    }
    return members.sort((a, b) => (a.username < b.username ? -1 : 1))
  }
}

function isDirectWith(username: string): IsIt {
  return ({ chain }) => chain.kind === 'direct' && chain.members.has(username)
}
