import { randomUUID } from 'node:crypto'
import { setTimeout as sleep } from 'node:timers/promises'
import * as crypto from './crypto.js'
import { parseStatement, requireSignature, value } from './chains.js'
import { Account, type InteropOptions } from './account.js'
import { Rooms, type Covered, type HeldKey } from './conversations.js'
import {
  expect,
  problem,
  type Answer,
  type Message,
  type Page,
  type Receipt,
  type SessionKeyItem
} from './http.js'

export interface Content extends Record<string, unknown> {
  readonly n: number
  readonly type: string
}

/**
 * A client that knows the contract's two pages and nothing of this project's code: what it refuses, an honest
 * client of anybody's making refuses. One object is one device.
 */
export class InteropClient extends Rooms {
  readonly #sent = new Map<string, number>()
  readonly #seenIds = new Map<string, string>()
  readonly #seenCounters = new Map<string, Set<number>>()

  static async create(base: string, username: string, options: InteropOptions = {}): Promise<InteropClient> {
    return new InteropClient(base, username, await Account.keysFor(options), options)
  }

  static async registered(
    base: string,
    username: string,
    options: InteropOptions = {}
  ): Promise<InteropClient> {
    const client = await InteropClient.create(base, username, options)
    expect(await client.register(), 201)
    return client
  }

  /** Makes and uploads a session key, for the present roster unless another is given. */
  async newKey(id: string, told?: { head: string; covered: readonly Covered[] }): Promise<Answer<unknown>> {
    const { head, covered } = told ?? (await this.roster(id))
    const { body, held } = this.makeKey(id, head, covered)
    const answer = await this.raw('POST', `/v1/conversations/${id}/session-keys`, { body })
    if (answer.status === 201) this.hold(held)
    return answer
  }

  /** Fetches, checks and unwraps all session keys for this device, and takes the newest for sending. */
  async fetchKeys(id: string): Promise<SessionKeyItem[]> {
    const items: SessionKeyItem[] = []
    let cursor: string | null = null
    do {
      const query: string = cursor === null ? '' : `&cursor=${encodeURIComponent(cursor)}`
      const path = `/v1/conversations/${id}/session-keys?limit=200${query}`
      const page: Page<SessionKeyItem> = expect(await this.raw<Page<SessionKeyItem>>('GET', path), 200).body
      items.push(...page.items)
      cursor = page.next
    } while (cursor !== null)
    for (const item of items) if (!this.sessionKeys.has(item.id)) await this.#takeKey(id, item)
    if (items[0] !== undefined) this.currentKey.set(id, items[0].id)
    return items
  }

  async #takeKey(conversationId: string, item: SessionKeyItem): Promise<void> {
    const parsed = parseStatement(item.statement.text)
    const by = value(parsed, 'by')
    const chain = await this.chain(conversationId)
    if (!this.ownerOf.has(by)) await Promise.all([...chain.members.keys()].map((name) => this.user(name)))
    if (!this.ownerOf.has(by)) throw new Error(`session key ${item.id} was made by a device of nobody`)
    requireSignature(item.statement, by, this.knownKeys)
    if (parsed.kind !== 'session-key') throw new Error(`a ${parsed.kind} for a session key`)
    if (value(parsed, 'conversation') !== conversationId)
      throw new Error('a session key of another conversation')
    if (value(parsed, 'session-key') !== item.id) throw new Error('a session key under another id')
    if (value(parsed, 'roster') !== crypto.rosterHash(item.roster))
      throw new Error('a roster of another hash')
    if (!item.roster.some((line) => line.signingKey === by)) throw new Error('its maker is not in its roster')
    const key = this.#unwrap(item.wrappedKey)
    if (crypto.commitment(key, item.id) !== value(parsed, 'commitment'))
      throw new Error('not the committed key')
    const { id, statement, roster } = item
    this.sessionKeys.set(id, { id, conversationId, key, roster, statement })
  }

  #unwrap(wrapped: string): Buffer {
    for (const keys of [this.keys, ...this.oldKeys]) {
      try {
        return crypto.unwrap(keys.encryptionPrivate, wrapped)
      } catch {
        continue
      }
    }
    throw new Error('a session key that no key of this device opens')
  }

  /** Gives an old session key to a device that joined since. */
  shareKey(held: HeldKey, covered: readonly Covered[]): Promise<Answer<unknown>> {
    const wraps = covered.map((device) => ({
      deviceId: device.deviceId,
      wrappedKey: crypto.wrap(device.encryptionKey, held.key)
    }))
    return this.raw('POST', `/v1/conversations/${held.conversationId}/session-keys/${held.id}/wraps`, {
      body: { wraps }
    })
  }

  seal(conversationId: string, text: string, id: string = randomUUID(), keyId?: string): crypto.Sealed {
    const held = this.sessionKeys.get(keyId ?? this.currentKey.get(conversationId) ?? '')
    if (held === undefined) throw new Error(`${this.username} holds no session key of ${conversationId}`)
    const n = (this.#sent.get(held.id) ?? 0) + 1
    this.#sent.set(held.id, n)
    const content = { type: 'text', n, sentAt: new Date().toISOString(), text }
    return crypto.seal(this.keys, held.key, { conversationId, sessionKeyId: held.id, id }, content)
  }

  post(conversationId: string, sealed: crypto.Sealed): Promise<Answer<Receipt>> {
    return this.raw('POST', `/v1/conversations/${conversationId}/messages`, { body: sealed })
  }

  /** Sends; a session key that is out of date is replaced and the message goes again under its own id. */
  async send(conversationId: string, text: string, id: string = randomUUID()): Promise<Answer<Receipt>> {
    if (!this.currentKey.has(conversationId)) await this.fetchKeys(conversationId)
    for (let tries = 0; ; tries++) {
      if (!this.currentKey.has(conversationId)) expect(await this.newKey(conversationId), 201)
      const answer = await this.post(conversationId, this.seal(conversationId, text, id))
      if (problem(answer) !== 'rekey-required' || tries === 3) return answer
      const made = await this.newKey(conversationId)
      if (problem(made) !== 'stale-roster') expect(made, 201)
    }
  }

  /** Sends the same bytes until the server has answered: what a client does whose connection broke. */
  async sendSurely(
    conversationId: string,
    sealed: crypto.Sealed,
    timeoutMs = 60_000
  ): Promise<Answer<Receipt>> {
    for (const until = Date.now() + timeoutMs; ;) {
      const answer = await this.post(conversationId, sealed).catch((error: unknown) => {
        if (Date.now() > until) throw error
        return undefined
      })
      if (answer !== undefined && (answer.status !== 503 || Date.now() > until)) return answer
      await sleep(50)
    }
  }

  /** Verifies and opens, in the protocol's order; refuses a message that it has opened before. */
  async open(message: Message): Promise<Content> {
    const { conversationId, sessionKeyId, id, sender } = message
    if (!this.sessionKeys.has(sessionKeyId)) await this.fetchKeys(conversationId)
    if (!this.deviceFp.has(sender.deviceId)) await this.user(sender.username)
    const held = this.sessionKeys.get(sessionKeyId)
    const by = this.deviceFp.get(sender.deviceId)
    if (held?.conversationId !== conversationId)
      throw new Error(`${this.username} holds no key for message ${id}`)
    if (by === undefined || this.ownerOf.get(by) !== sender.username) throw new Error('a sender of nobody')
    if (!held.roster.some((line) => line.signingKey === by))
      throw new Error('its sender is not in the roster')
    const pem = this.knownKeys.get(by)
    const name = { conversationId, sessionKeyId, id, by }
    if (pem === undefined || !crypto.messageSignedBy(pem, name, message)) throw new Error('a forged message')
    if (this.#seenIds.has(id)) throw new Error(`message ${id} was here before`)
    const content = crypto.unseal(held.key, name, message) as Content
    const counters = this.#seenCounters.get(`${sessionKeyId} ${by}`) ?? new Set()
    if (!Number.isSafeInteger(content.n) || content.n < 1) throw new Error(`counter ${content.n}`)
    if (counters.has(content.n)) throw new Error(`counter ${content.n} was here before`)
    this.#seenCounters.set(`${sessionKeyId} ${by}`, counters.add(content.n))
    this.#seenIds.set(id, sessionKeyId)
    return content
  }

  /** The counters up to the highest seen that never came: what a server withheld from this reader. */
  missing(sessionKeyId: string, by: string): number[] {
    const seen = this.#seenCounters.get(`${sessionKeyId} ${by}`) ?? new Set<number>()
    return Array.from({ length: Math.max(0, ...seen) }, (_, i) => i + 1).filter((n) => !seen.has(n))
  }

  /** Everything kept after a position, oldest first. */
  async history(conversationId: string, after = 0): Promise<Message[]> {
    const messages: Message[] = []
    for (let last = after; ; last = messages.at(-1)?.position ?? last) {
      const path = `/v1/conversations/${conversationId}/messages?after=${last}&limit=200`
      const { items } = expect(await this.raw<Page<Message>>('GET', path), 200).body
      messages.push(...items)
      if (items.length === 0) return messages
    }
  }
}
