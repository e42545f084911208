import { randomUUID } from 'node:crypto'
import { setTimeout as sleep } from 'node:timers/promises'
import { Account, type InteropOptions } from './account.js'
import { expect, problem, type Answer, type DeletedMessage, type Message } from './http.js'
import type { MessagePage, Receipt, Sealed } from './http.js'
import type { Content } from './message-json.js'
import { MessageOrder } from './message-order.js'
import { messageDigest, messageSignedBy, seal, unseal } from './messages.js'
import { check, given, Refused } from './refused.js'
import type { RosterLine } from './roster.js'
import { KeyHolder } from './session-keys.js'

/**
 * A client that knows the contract's two pages and nothing of this project's code: what it refuses, an honest
 * client of anybody's making refuses. One object is one device.
 */
export class InteropClient extends KeyHolder {
  /** The highest `n` that this device has used, by the key's hash. */
  readonly #sent = new Map<string, number>()
  readonly #order = new MessageOrder()
  /** Position of the last message that was read, by conversation. */
  readonly #lastRead = new Map<string, number>()

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

  /** @param content a text, or the object without `n` and `sentAt` */
  seal(
    conversationId: string,
    content: string | Readonly<Record<string, unknown>>,
    id: string = randomUUID(),
    keyId?: string
  ): Sealed {
    const held = this.sessionKeys.get(keyId ?? this.currentKey.get(conversationId) ?? '')
    if (held === undefined) throw new Error(`${this.username} holds no session key of ${conversationId}`)
    const own = this.#order.of({ key: held.hash, by: this.keys.signingFp })
    const n = Math.max(this.#sent.get(held.hash) ?? 0, ...own.keys()) + 1
    this.#sent.set(held.hash, n)
    const sentAt = new Date().toISOString()
    const whole =
      typeof content === 'string' ? { type: 'text', n, sentAt, text: content } : { ...content, n, sentAt }
    return seal(this.keys, held, { conversationId, id }, whole)
  }

  post(conversationId: string, sealed: Sealed): Promise<Answer<Receipt>> {
    return this.raw('POST', `/v1/conversations/${conversationId}/messages`, { body: sealed })
  }

  /** Sends; a session key that is out of date is replaced, and the message goes again under its own id. */
  async send(
    conversationId: string,
    content: string | Readonly<Record<string, unknown>>,
    id: string = randomUUID()
  ): Promise<Answer<Receipt>> {
    if (this.chains.has(conversationId)) await this.settled(conversationId)
    for (let tries = 0; ; tries++) {
      if (!this.currentKey.has(conversationId)) await this.#renewKey(conversationId)
      const answer = await this.post(conversationId, this.seal(conversationId, content, id))
      if (problem(answer) !== 'rekey-required' || tries === 3) return answer
      this.currentKey.delete(conversationId)
    }
  }

  /** Takes the newest key of the chain; makes another one if that is out of date or does not open. */
  async #renewKey(id: string): Promise<void> {
    await this.fetchKeys(id).catch((error: unknown) => {
      if (!(error instanceof Refused)) throw error
    })
    if (this.currentKey.has(id)) {
      const { chain } = await this.roster(id)
      if (!this.isOutOfDate(chain)) return
    }
    const made = await this.newKey(id)
    if (!['stale-roster', 'stale-chain'].includes(problem(made))) expect(made, 201)
  }

  /** Sends the same bytes until the server has answered: what a client does whose connection broke. */
  async sendSurely(conversationId: string, sealed: Sealed, timeoutMs = 60_000): Promise<Answer<Receipt>> {
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
    const { conversationId, id, key, position, sender } = message
    const line = await this.#senderLine(message)
    const by = line.signingFp
    const pem = given(this.knownKeys.get(by), `no public key of ${line.id}`)
    const name = { conversationId, key, id, by }
    check(messageSignedBy(pem, name, message), `a forged message of ${sender.username}`)
    const place = { ...name, position, digest: messageDigest(message) }
    const chain = await this.settled(conversationId)
    const boundary = this.departures.requireMessage(chain, { ...place, username: sender.username })
    check(!this.#order.isKnown(place), `message ${id} was here before`)
    if (this.heldBy(key) === undefined) await this.fetchKeys(conversationId)
    const held = given(this.heldBy(key), `${this.username} holds no key for message ${id}`)
    const content = unseal(held.key, name, message)
    const highest = Math.max(0, ...this.#order.of(name).keys())
    const hasRead = boundary !== null && (this.#lastRead.get(conversationId) ?? 0) >= boundary
    check(!hasRead || content.n <= highest, `a message of ${sender.username}, written after they had gone`)
    this.#order.take({ ...place, n: content.n })
    return content
  }

  /** The sender's line in the roster of the message's key. */
  async #senderLine({
    conversationId,
    key: hash,
    sender
  }: Pick<Message, 'conversationId' | 'key' | 'sender'>): Promise<RosterLine> {
    const chain = this.chains.get(conversationId)
    const key = chain?.keys.get(hash) ?? (await this.chain(conversationId)).keys.get(hash)
    const { roster } = given(key, `forked-chain: no key ${hash} in ${conversationId}`)
    const line = given(
      roster.find(({ id, username }) => id === sender.deviceId && username === sender.username),
      `${sender.username} is not in the roster`
    )
    check(line.purpose === 'chat', 'a message of a recovery device')
    check(roster.filter(({ signingFp }) => signingFp === line.signingFp).length === 1, 'an ambiguous key')
    return line
  }

  /** Takes a tombstone in the place of a message. One that names no sender of the key fills no gap. */
  async noteDeleted(conversationId: string, { id, key, position, sender }: DeletedMessage): Promise<void> {
    const line = await this.#senderLine({ conversationId, key, sender }).catch((error: unknown) => {
      if (!(error instanceof Refused)) throw error
      return undefined
    })
    if (line !== undefined) this.#order.noteDeleted({ key, by: line.signingFp }, { id, position })
  }

  /** The numbers up to the highest seen that never came: what a server withheld from this reader. */
  missing(sessionKeyId: string, by: string): number[] {
    return this.#order.missing({ key: this.sessionKeys.get(sessionKeyId)?.hash ?? '', by })
  }

  /** Everything kept after a position, oldest first. */
  async history(conversationId: string, after = 0): Promise<Message[]> {
    const messages: Message[] = []
    for (let last = after; ;) {
      const path = `/v1/conversations/${conversationId}/messages?after=${last}&limit=200`
      const { items, deleted } = expect(await this.raw<MessagePage>('GET', path), 200).body
      messages.push(...items)
      for (const tombstone of deleted) await this.noteDeleted(conversationId, tombstone)
      if (items.length + deleted.length === 0) return messages
      last = Math.max(...[...items, ...deleted].map(({ position }) => position))
    }
  }

  /** Opens the messages that this device has not read yet, oldest first. */
  async read(conversationId: string): Promise<Content[]> {
    const contents: Content[] = []
    for (const message of await this.history(conversationId, this.#lastRead.get(conversationId)))
      try {
        contents.push(await this.open(message))
      } finally {
        this.#lastRead.set(conversationId, message.position)
      }
    return contents
  }

  /** The same of messages that are texts, or have one. */
  async texts(conversationId: string): Promise<unknown[]> {
    return (await this.read(conversationId)).map(({ text }) => text)
  }

  /** Passes over all messages until now, which a later member can't open. */
  async skip(conversationId: string): Promise<void> {
    this.#lastRead.set(conversationId, (await this.history(conversationId)).at(-1)?.position ?? 0)
  }
}
