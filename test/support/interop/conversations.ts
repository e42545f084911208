import { randomUUID } from 'node:crypto'
import { parseStatement, signed, statementHash, statementText, values } from './chains.js'
import type { Link, Statement } from './chains.js'
import { noConversation, type ConversationChain } from './conversation-chain.js'
import { ConversationReader } from './conversation-reader.js'
import { commitment, fingerprint, kemFp, newSessionKey } from './crypto.js'
import type { Answer, ChainReceipt } from './http.js'
import { rosterHash, stateAt, type Told } from './roster.js'
import type { UserState } from './user-chain.js'
import { wrap } from './wraps.js'

export interface HeldKey {
  readonly id: string
  readonly conversationId: string
  /** Hash of the `conversation-key` statement. */
  readonly hash: string
  readonly key: Buffer
  readonly statement: Statement
}

export interface SessionKeyBody {
  readonly id: string
  readonly statement: Statement
  readonly wraps: readonly { readonly deviceId: string; readonly wrappedKey: string }[]
}

/** A change: the kind behind `conversation-`, and its lines. */
export type Change = readonly [kind: string, ...lines: (readonly [name: string, value: string | number])[]]

/** Requests that make and change conversations, and the session keys that they bring. */
export class Conversations extends ConversationReader {
  readonly sessionKeys = new Map<string, HeldKey>()
  /** The session key to send under, by conversation. */
  readonly currentKey = new Map<string, string>()

  /** Makes a conversation of these users (oneself included unasked); in a group, others are plain members. */
  async createConversation(
    kind: 'group' | 'direct' | 'self',
    others: readonly string[],
    options: { id?: string } = {}
  ): Promise<{ id: string; answer: Answer<unknown> }> {
    const id = options.id ?? randomUUID()
    const names = [...new Set([this.username, ...others])].sort()
    const users = await Promise.all(names.map((name) => this.user(name)))
    const role = (name: string): string => (kind === 'group' && name === this.username ? 'admin' : 'member')
    const lines = users.map(({ user, root }) => ['member', `${user} ${role(user)} ${root}`] as const)
    const states = new Map(users.map((user) => [user.user, user]))
    const create: Change = ['create', ['kind', kind], ...lines]
    const { statements, key } = this.#request(noConversation(id), [create], states)
    const answer = await this.raw('POST', '/v1/conversations', { body: { id, statements, key: key.body } })
    if (answer.status === 201) this.hold(key.held)
    return { id, answer }
  }

  /** The statements of changes, and the key that follows them. */
  #request(chain: ConversationChain, changes: readonly Change[], states: ReadonlyMap<string, UserState>) {
    const members = new Map(chain.members)
    const before = new Map(chain.states)
    let link: Link = chain
    const statements: Statement[] = []
    for (const change of changes) {
      const statement = this.sign(chain.id, link, change)
      statements.push(statement)
      link = { sequence: link.sequence + 1, head: statementHash(statement) }
      for (const [name = '', role = '', root = ''] of values(parseStatement(statement.text), 'member')) {
        if (change[0] === 'remove') before.delete(name)
        if (change[0] === 'remove') members.delete(name)
        else members.set(name, { role, root })
      }
    }
    return { statements, key: this.makeKey(chain.id, this.told(link, members, before, states)) }
  }

  protected sign(conversationId: string, { sequence, head }: Link, [kind, ...lines]: Change): Statement {
    const text = statementText(`conversation-${kind}`, [
      ['conversation', conversationId],
      ['sequence', sequence + 1],
      ['previous', head],
      ...lines,
      ['by', this.keys.signingFp]
    ])
    return signed(text, this.keys)
  }

  /** Changes with the session key that follows them, in one request. */
  async change(id: string, changes: readonly Change[]): Promise<Answer<ChainReceipt>> {
    const { chain, state } = await this.roster(id)
    const states = new Map(this.statesAt(chain.states))
    for (const { username, ...link } of state) states.set(username, stateAt(this.users, username, link))
    for (const [kind, ...lines] of changes)
      for (const [name, line] of lines)
        if (name === 'member' && kind !== 'remove') {
          const username = String(line).split(' ')[0] ?? ''
          if (!chain.members.has(username)) states.set(username, await this.user(username))
        }
    const { statements, key } = this.#request(chain, changes, states)
    const body = { statements, key: key.body }
    const answer = await this.raw<ChainReceipt>('POST', `/v1/conversations/${id}/chain`, { body })
    if (answer.status === 201) this.hold(key.held)
    return answer
  }

  /** A change with one line, which needs role and root, unless it removes a member. */
  changeMembers(
    id: string,
    kind: 'add' | 'remove' | 'role' | 'renew',
    line: string
  ): Promise<Answer<ChainReceipt>> {
    return this.change(id, [[kind, ['member', line]]])
  }

  async addMember(id: string, username: string, role = 'member'): Promise<Answer<ChainReceipt>> {
    return this.changeMembers(id, 'add', `${username} ${role} ${(await this.user(username)).root}`)
  }

  async setRole(id: string, username: string, role: string): Promise<Answer<ChainReceipt>> {
    const { members } = await this.chain(id)
    return this.changeMembers(id, 'role', `${username} ${role} ${members.get(username)?.root}`)
  }

  /** Gives a member whose root is stale the current one. */
  async renewMember(id: string, username: string): Promise<Answer<ChainReceipt>> {
    const { members } = await this.chain(id)
    const { root } = await this.user(username)
    return this.changeMembers(id, 'renew', `${username} ${members.get(username)?.role} ${root}`)
  }

  removeMember(id: string, username: string): Promise<Answer<ChainReceipt>> {
    return this.changeMembers(id, 'remove', username)
  }

  setTimer(id: string, seconds: number): Promise<Answer<ChainReceipt>> {
    return this.change(id, [['timer', ['message-ttl', seconds]]])
  }

  async leave(id: string): Promise<Answer<ChainReceipt>> {
    const statements = [this.sign(id, await this.chain(id), ['leave'])]
    return this.raw('POST', `/v1/conversations/${id}/chain`, { body: { statements } })
  }

  /** A session key for these devices. It counts when the chain has its statement. */
  makeKey(conversationId: string, told: Told): { body: SessionKeyBody; held: HeldKey } {
    const id = randomUUID()
    const key = newSessionKey()
    const roster = told.covered.map(({ username, deviceId, signingKey, encryptionKey, kemKey }) => ({
      username,
      id: deviceId,
      signingFp: signingKey,
      encryptionFp: fingerprint(encryptionKey),
      kemFp: kemFp({ kemKey })
    }))
    const state = told.state.map(
      ({ username, sequence, head }) => ['state', `${username} ${sequence} ${head}`] as const
    )
    const statement = this.sign(conversationId, told, [
      'key',
      ['session-key', id],
      ['commitment', commitment(key, id)],
      ...state,
      ['roster', rosterHash(roster)]
    ])
    const hash = statementHash(statement)
    const wraps = told.covered.map((device) => ({
      deviceId: device.deviceId,
      wrappedKey: wrap(device, hash, key)
    }))
    return { body: { id, statement, wraps }, held: { id, conversationId, hash, key, statement } }
  }

  protected hold(held: HeldKey): void {
    this.sessionKeys.set(held.id, held)
    this.currentKey.set(held.conversationId, held.id)
  }
}
