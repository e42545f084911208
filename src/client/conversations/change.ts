import Type from 'typebox'
import { statementText } from '../../protocol/statement-texts.js'
import type { Statement } from '../../protocol/statements.js'
import { signStatement } from '../../crypto/statements.js'
import { ChatError } from '../errors.js'
import type { OwnDevice } from '../identity/own-device.js'
import type { TrustStore } from '../identity/trust-store.js'
import type { UserChains } from '../identity/user-chains.js'
import type { StoredUser } from '../identity/user-record.js'
import type { Api } from '../transport/api.js'
import { retryOnConflict } from '../transport/retry-on-conflict.js'
import type { ConversationChains } from './chains.js'
import { isMember } from './info.js'
import type { StoredConversation } from './record.js'

type Change =
  | Pick<Statement<'conversation-add'>, 'kind' | 'member'>
  | Pick<Statement<'conversation-role'>, 'kind' | 'member'>
  | Pick<Statement<'conversation-remove'>, 'kind' | 'username'>
  | Pick<Statement<'conversation-leave'>, 'kind'>

type Role = 'admin' | 'member'

const TRIES = 4
const ChainEnd = Type.Object({ head: Type.String(), sequence: Type.Integer() })

/** Changes a conversation's members: signs statements, and has the server accept them. */
export class MembershipChanges {
  readonly #api: Api
  readonly #users: UserChains
  readonly #trust: TrustStore
  readonly #chains: ConversationChains
  readonly #me: OwnDevice

  constructor(api: Api, users: UserChains, trust: TrustStore, chains: ConversationChains, me: OwnDevice) {
    this.#api = api
    this.#users = users
    this.#trust = trust
    this.#chains = chains
    this.#me = me
  }

  /**
   * Add a user, or renew a member who has reset, under the user's current root, which has to be a trusted
   * one.
   */
  async add(id: string, username: string, role: Role): Promise<StoredConversation> {
    return this.#admit(id, username, role)
  }

  /** Renew a member who has reset. @throws {ChatError} `not-a-member` (`usage`) */
  async renew(id: string, username: string): Promise<StoredConversation> {
    return this.#admit(id, username, null)
  }

  async remove(id: string, username: string): Promise<StoredConversation> {
    return this.#change(id, (now) =>
      isMember(now, username) ? { kind: 'conversation-remove', username } : null
    )
  }

  async setRole(id: string, username: string, role: Role): Promise<StoredConversation> {
    return this.#change(id, ({ members }) => {
      const member = members.find((member) => member.username === username)
      if (member === undefined) throw notMember(username)
      return member.role === role ? null : { kind: 'conversation-role', member: { ...member, role } }
    })
  }

  async leave(id: string): Promise<void> {
    await this.#change(id, (now) =>
      isMember(now, this.#me.username) ? { kind: 'conversation-leave' } : null
    )
  }

  /**
   * In a direct conversation, renew the other member after a reset. By accepting the new identity the user
   * has agreed to that.
   *
   * @param users the members as they are now, all trusted
   */
  async renewDirect(
    conversation: StoredConversation,
    users: readonly StoredUser[]
  ): Promise<StoredConversation> {
    if (conversation.kind !== 'direct') return conversation
    const roots = new Map(users.map(({ username, root }) => [username, root]))
    const stale = ({ members }: StoredConversation) =>
      members.filter(({ username, root }) => roots.has(username) && roots.get(username) !== root)
    const [other, ...others] = stale(conversation)
    if (other === undefined || others.length > 0 || other.username === this.#me.username) return conversation
    const { username, role } = other
    return this.#change(conversation.id, (now) =>
      stale(now).some((member) => member.username === username)
        ? { kind: 'conversation-add', member: { username, role, root: roots.get(username)! } }
        : null
    )
  }

  async #admit(id: string, username: string, role: Role | null): Promise<StoredConversation> {
    const { user } = await this.#users.sync(username)
    await this.#trust.requireTrusted([user])
    return this.#change(id, ({ members }) => {
      const member = members.find((member) => member.username === username)
      if (member === undefined && role === null) throw notMember(username)
      if (member?.root === user.root) return null
      return { kind: 'conversation-add', member: { username, role: role ?? member!.role, root: user.root } }
    })
  }

  /**
   * Sign a change and post it; when another member was faster, decide again on what they did.
   *
   * @param decide the change, given the conversation as it is then; null if there is nothing left to do
   */
  #change(id: string, decide: (now: StoredConversation) => Change | null): Promise<StoredConversation> {
    return retryOnConflict(['stale-chain'], TRIES, async () => {
      const { conversation } = await this.#chains.sync(id)
      const change = decide(conversation)
      if (change === null) return conversation
      const { signing } = this.#me.active().device
      const sequence = conversation.sequence + 1
      const previous = conversation.head
      const by = signing.fingerprint
      const text = statementText({ ...change, conversation: id, sequence, previous, by })
      const statement = await signStatement(text, signing)
      const path = `/v1/conversations/${id}/chain`
      await this.#api.call({ method: 'POST', path, body: { statement }, response: ChainEnd })
      return (await this.#chains.add(id, statement, sequence)).conversation
    })
  }
}

function notMember(username: string): ChatError {
  return new ChatError('usage', 'not-a-member', `${username} is not a member.`)
}
