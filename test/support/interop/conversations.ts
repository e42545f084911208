import { randomUUID } from 'node:crypto'
import * as crypto from './crypto.js'
import {
  parseStatement,
  replayConversation,
  signed,
  statementHash,
  statementText,
  value,
  type ConversationChain,
  type Statement
} from './chains.js'
import { Account } from './account.js'
import { expect, type Answer, type Page, type RosterAnswer } from './http.js'

export interface HeldKey {
  readonly id: string
  readonly conversationId: string
  readonly key: Buffer
  readonly roster: readonly crypto.RosterLine[]
  readonly statement: Statement
}

export interface SessionKeyBody {
  readonly id: string
  readonly statement: Statement
  readonly wraps: readonly { readonly deviceId: string; readonly wrappedKey: string }[]
}

export interface Covered {
  readonly deviceId: string
  readonly signingKey: string
  readonly encryptionKey: string
}

/** The conversations' half of a client: who belongs, and whom a session key must be wrapped for. */
export class Rooms extends Account {
  readonly sessionKeys = new Map<string, HeldKey>()
  /** The session key to send under, by conversation. */
  readonly currentKey = new Map<string, string>()

  /** Makes a conversation of these users (oneself included unasked); others become plain members. */
  async createConversation(
    kind: 'group' | 'direct',
    others: readonly string[],
    options: { id?: string; sessionKey?: boolean } = {}
  ): Promise<{ id: string; answer: Answer<unknown> }> {
    const id = options.id ?? randomUUID()
    const names = [...new Set([this.username, ...others])].sort()
    const users = await Promise.all(names.map((name) => this.user(name)))
    const role = (name: string): string => (kind === 'group' && name === this.username ? 'admin' : 'member')
    const text = statementText('conversation-create', [
      ['conversation', id],
      ['sequence', 1],
      ['previous', '-'],
      ['kind', kind],
      ...users.map(({ user, root }) => ['member', `${user} ${role(user)} ${root}`] as const),
      ['by', this.keys.signingFp]
    ])
    const statement = signed(text, this.keys)
    const covered = users.flatMap((user) =>
      [...user.active.values()].map((device) => this.cover(device.id, device.signingFp, user.encryptionKeys))
    )
    const made =
      options.sessionKey === false ? undefined : this.makeKey(id, statementHash(statement), covered)
    const body = { id, statement, ...(made === undefined ? {} : { sessionKey: made.body }) }
    const answer = await this.raw('POST', '/v1/conversations', { body })
    if (answer.status === 201 && made !== undefined) this.hold(made.held)
    return { id, answer }
  }

  protected cover(
    deviceId: string,
    signingKey: string,
    encryptionKeys: ReadonlyMap<string, string>
  ): Covered {
    const encryptionKey = encryptionKeys.get(deviceId)
    if (encryptionKey === undefined) throw new Error(`no encryption key is served for device ${deviceId}`)
    return { deviceId, signingKey, encryptionKey }
  }

  /** The conversation's chain, replayed; fetches the chains of whoever signed and is not known yet. */
  async chain(conversationId: string): Promise<ConversationChain> {
    const path = `/v1/conversations/${conversationId}/chain`
    const items: Statement[] = []
    let page: Page<Statement>
    do {
      page = expect(
        await this.raw<Page<Statement>>('GET', `${path}?after=${items.length}&limit=200`),
        200
      ).body
      items.push(...page.items)
    } while (page.next !== null && page.items.length > 0)
    const names = new Set<string>()
    for (const { text } of items) {
      for (const [name, line] of parseStatement(text).lines) {
        if (name === 'member') names.add(line.split(' ')[0] ?? '')
      }
    }
    const missing = items.some(({ text }) => !this.ownerOf.has(value(parseStatement(text), 'by')))
    if (missing) await Promise.all([...names].map((name) => this.user(name)))
    return replayConversation(conversationId, items, this.knownKeys, (fp) => this.ownerOf.get(fp))
  }

  /** `add` needs role and root in the line, `remove` only the name, `leave` nothing. */
  async changeMembers(
    id: string,
    kind: 'add' | 'remove' | 'role' | 'leave',
    line?: string
  ): Promise<Answer<unknown>> {
    const chain = await this.chain(id)
    const text = statementText(`conversation-${kind}`, [
      ['conversation', id],
      ['sequence', chain.sequence + 1],
      ['previous', chain.head],
      ...(line === undefined ? [] : [['member', line] as const]),
      ['by', this.keys.signingFp]
    ])
    return this.raw('POST', `/v1/conversations/${id}/chain`, { body: { statement: signed(text, this.keys) } })
  }

  async addMember(id: string, username: string, role = 'member'): Promise<Answer<unknown>> {
    return this.changeMembers(id, 'add', `${username} ${role} ${(await this.user(username)).root}`)
  }

  async setRole(id: string, username: string, role: string): Promise<Answer<unknown>> {
    return this.changeMembers(id, 'role', `${username} ${role} ${(await this.user(username)).root}`)
  }

  removeMember(id: string, username: string): Promise<Answer<unknown>> {
    return this.changeMembers(id, 'remove', username)
  }

  leave(id: string): Promise<Answer<unknown>> {
    return this.changeMembers(id, 'leave')
  }

  /**
   * The devices that a session key must cover, derived from the chains; the server's roster has to say the
   * same.
   */
  async roster(id: string): Promise<{ head: string; covered: Covered[] }> {
    const { body } = expect(await this.raw<RosterAnswer>('GET', `/v1/conversations/${id}/roster`), 200)
    const chain = await this.chain(id)
    const covered: Covered[] = []
    for (const [name, member] of chain.members) {
      const user = await this.user(name)
      if (user.root !== member.root) continue
      for (const device of user.active.values()) {
        covered.push(this.cover(device.id, device.signingFp, user.encryptionKeys))
      }
    }
    const list = (ids: readonly string[]): string => [...ids].sort().join()
    const shown = body.members.flatMap((member) => member.devices.map((device) => device.id))
    if (body.head !== chain.head || list(shown) !== list(covered.map((device) => device.deviceId))) {
      throw new Error('the roster shown is not that of the chains')
    }
    return { head: chain.head, covered }
  }

  makeKey(
    conversationId: string,
    head: string,
    covered: readonly Covered[]
  ): { body: SessionKeyBody; held: HeldKey } {
    const id = randomUUID()
    const key = crypto.newSessionKey()
    const roster = covered.map(({ signingKey, encryptionKey }) => ({
      signingKey,
      encryptionKey: crypto.fingerprint(encryptionKey)
    }))
    const text = statementText('session-key', [
      ['conversation', conversationId],
      ['session-key', id],
      ['head', head],
      ['commitment', crypto.commitment(key, id)],
      ['roster', crypto.rosterHash(roster)],
      ['by', this.keys.signingFp]
    ])
    const statement = signed(text, this.keys)
    const wraps = covered.map(({ deviceId, encryptionKey }) => ({
      deviceId,
      wrappedKey: crypto.wrap(encryptionKey, key)
    }))
    return { body: { id, statement, wraps }, held: { id, conversationId, key, roster, statement } }
  }

  protected hold(held: HeldKey): void {
    this.sessionKeys.set(held.id, held)
    this.currentKey.set(held.conversationId, held.id)
  }
}
