import { ConversationResponse } from '../../protocol/conversations.js'
import { statementText } from '../../protocol/statement-texts.js'
import type { MemberLine } from '../../protocol/statements.js'
import { signStatement, statementHash } from '../../crypto/statements.js'
import type { ConversationChains } from '../conversations/chains.js'
import type { StoredConversation } from '../conversations/record.js'
import { ChatError, isRefusal, untrusted } from '../errors.js'
import type { OwnDevice } from '../identity/own-device.js'
import type { TrustStore } from '../identity/trust-store.js'
import type { UserChains } from '../identity/user-chains.js'
import type { SessionKeyFactory } from '../session-keys/create.js'
import type { Rosters } from '../session-keys/roster.js'
import type { SessionKeys } from '../session-keys/store.js'
import type { Api } from '../transport/api.js'
import { retryOnConflict } from '../transport/retry-on-conflict.js'

type Kind = 'direct' | 'group'

const TRIES = 4

/** Creates conversations, each with its first session key. */
export class ConversationCreation {
  readonly #api: Api
  readonly #users: UserChains
  readonly #trust: TrustStore
  readonly #chains: ConversationChains
  readonly #rosters: Rosters
  readonly #keys: SessionKeys
  readonly #factory: SessionKeyFactory
  readonly #me: OwnDevice

  constructor(
    api: Api,
    users: UserChains,
    trust: TrustStore,
    chains: ConversationChains,
    rosters: Rosters,
    keys: SessionKeys,
    factory: SessionKeyFactory,
    me: OwnDevice
  ) {
    this.#api = api
    this.#users = users
    this.#trust = trust
    this.#chains = chains
    this.#rosters = rosters
    this.#keys = keys
    this.#factory = factory
    this.#me = me
  }

  group(others: readonly string[]): Promise<StoredConversation> {
    return this.#create('group', others)
  }

  /** The direct conversation with a user, created if there is none. */
  async direct(username: string): Promise<StoredConversation> {
    if (username === this.#me.username)
      throw new ChatError('usage', 'own-username', 'A direct conversation is with somebody else.')
    for (const conversation of await this.#chains.list())
      if (isDirectWith(conversation, username) && !(await this.#isOver(conversation))) return conversation
    try {
      return await this.#create('direct', [username])
    } catch (error) {
      if (!isRefusal(error, 'direct-exists')) throw error
      const { conversationId } = error.members
      const { conversation } = await this.#chains.sync(String(conversationId))
      if (isDirectWith(conversation, username)) return conversation
      throw untrusted('moved-conversation', 'The server names a direct conversation of others.', error)
    }
  }

  /** After a reset of both users nobody can renew the other's membership any more. */
  async #isOver({ members }: StoredConversation): Promise<boolean> {
    const users = await Promise.all(members.map(({ username }) => this.#users.get(username)))
    return members.every(({ root }, at) => users[at]!.root !== root)
  }

  #create(kind: Kind, others: readonly string[]): Promise<StoredConversation> {
    const { signing } = this.#me.active().device
    const id = crypto.randomUUID()
    return retryOnConflict(['stale-roster', 'root-changed'], TRIES, async () => {
      const members = await this.#members(kind, others)
      const text = statementText({
        kind: 'conversation-create',
        conversation: id,
        sequence: 1,
        previous: '-',
        conversationKind: kind,
        members,
        by: signing.fingerprint
      })
      const statement = await signStatement(text, signing)
      const devices = await this.#rosters.devicesOf(members)
      const { body: sessionKey, stored } = await this.#factory.create(
        { id, head: await statementHash(text) },
        devices
      )
      const body = { id, statement, sessionKey }
      await this.#api.call({
        method: 'POST',
        path: '/v1/conversations',
        body,
        response: ConversationResponse
      })
      const { conversation } = await this.#chains.add(id, statement, 1)
      await this.#keys.save(stored)
      return conversation
    })
  }

  async #members(kind: Kind, others: readonly string[]): Promise<MemberLine[]> {
    const me = this.#me.username
    const users = []
    for (const username of [me, ...others]) users.push((await this.#users.sync(username)).user)
    await this.#trust.requireTrusted(users.slice(1))
    const members = users.map(({ username, root }) => {
      const role = kind === 'group' && username === me ? ('admin' as const) : ('member' as const)
      return { username, role, root }
    })
    return members.sort((a, b) => (a.username < b.username ? -1 : 1))
  }
}

function isDirectWith({ kind, members }: StoredConversation, username: string): boolean {
  return kind === 'direct' && members.some((member) => member.username === username)
}
