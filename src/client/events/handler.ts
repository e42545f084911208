import type { Static } from 'typebox'
import { type durableEvents, type DurableEvent } from '../../protocol/events.js'
import { DevicePage } from '../../protocol/devices.js'
import type { Message } from '../../protocol/messages.js'
import { parseStatement } from '../../protocol/statements.js'
import { statementHash } from '../../crypto/statements.js'
import type { ChatEvent } from '../types/events.js'
import type { Core } from '../core.js'
import { ChatError, brokenRule, untrusted } from '../errors.js'
import { StreamGaps } from '../messages/gaps.js'
import { changeOf } from '../conversations/member-events.js'
import type { StoreTransaction } from '../stores/store.js'
import { forgetAwaitingKey, noteAwaitingKey, readAwaitingKey } from '../messages/awaiting-key.js'
import { toConversation } from '../conversations/info.js'

type Data<E extends DurableEvent> = Static<(typeof durableEvents)[E]>

/** What an event comes to: what to show, and what to write down once it was shown. */
export interface Handled {
  events: ChatEvent[]
  commit?: (tx: StoreTransaction) => Promise<void>
}

/** What a client does on which event (protocol, the section of that name). */
export class EventHandler {
  readonly #core: Core
  readonly #flow: StreamGaps

  constructor(core: Core) {
    this.#core = core
    this.#flow = new StreamGaps(core)
  }

  /** Any durable event but a message. What the protocol refuses comes out as an `untrusted` event. */
  async *handle(event: Exclude<DurableEvent, 'message'>, data: unknown): AsyncGenerator<Handled> {
    try {
      yield* this.#handle(event, data)
    } catch (error) {
      const failure = brokenRule(error, 'An event')
      if (!(failure instanceof ChatError)) throw error
      const { conversationId } = data as { conversationId?: string }
      const where = conversationId === undefined ? {} : { conversationId }
      if (failure.kind === 'untrusted') yield { events: [{ type: 'untrusted', error: failure, ...where }] }
      // The user has been taken out since, or the key was not made for this device: there is nothing to do.
      else if (
        failure.status !== 404 &&
        failure.code !== 'no-session-key' &&
        failure.code !== 'unreadable-key'
      )
        throw error
    }
  }

  /** Messages, in the order of the stream. */
  async *messages(messages: readonly Message[]): AsyncGenerator<Handled> {
    for await (const read of this.#core.inbox.read(messages)) {
      const { shown } = read
      if (shown.type === 'unreadable') yield { events: [shown], commit: (tx) => noteAwaitingKey(tx, shown) }
      else
        yield {
          events: [...(await this.#flow.before(shown)), ...read.before, shown],
          commit: async (tx) => {
            await this.#core.inbox.commit(tx, read)
            await this.#flow.advance(tx, shown)
          }
        }
    }
  }

  #handle(event: Exclude<DurableEvent, 'message'>, data: unknown): AsyncGenerator<Handled> {
    switch (event) {
      case 'conversation.created':
        return this.#chain(data as Data<'conversation.created'>, 1)
      case 'conversation.chain':
        return this.#chain(data as Data<'conversation.chain'>, (data as Data<'conversation.chain'>).sequence)
      case 'session-key.created':
        return this.#sessionKey(data as Data<'session-key.created'>)
      case 'device.requested':
        return this.#request(data as Data<'device.requested'>)
      case 'device.chain':
        return this.#devices(data as Data<'device.chain'>)
    }
  }

  async *#chain(
    { conversationId, position, statement }: Data<'conversation.created'> | Data<'conversation.chain'>,
    sequence: number
  ): AsyncGenerator<Handled> {
    const before = await this.#core.rooms.peek(conversationId)
    const { room } = await this.#core.rooms.take(conversationId, statement, sequence)
    const link = await this.#core.rooms.link(conversationId, sequence)
    const events: ChatEvent[] = []
    const isNew = before === undefined || link?.statement.kind === 'conversation-create'
    if (isNew) events.push({ type: 'conversation', conversation: await toConversation(this.#core, room) })
    if (link !== undefined) events.push(...changeOf(room, link, position))
    yield { events }
    const { username } = this.#core.identity
    const isAdded = link?.statement.kind === 'conversation-add' && link.statement.member.username === username
    if (isAdded && before !== undefined) await this.#core.sharing.rejoined(conversationId)
  }

  async *#sessionKey({ conversationId, sessionKeyId }: Data<'session-key.created'>): AsyncGenerator<Handled> {
    this.#core.keys.expect(conversationId, sessionKeyId)
    const key = await this.#core.keys.get(conversationId, sessionKeyId)
    if (this.#core.identity.active().device.id in key.roster)
      yield { events: [], commit: async (tx) => this.#flow.begin(tx, conversationId, sessionKeyId) }
    for await (const messages of readAwaitingKey(this.#core, conversationId, sessionKeyId))
      yield* this.messages(messages)
    yield { events: [], commit: async (tx) => forgetAwaitingKey(tx, conversationId, sessionKeyId) }
  }

  async *#request({ deviceId, name, statement: signed }: Data<'device.requested'>): AsyncGenerator<Handled> {
    const statement = parseStatement(signed.text, ['device-add'])
    const ours = statement.user === this.#core.identity.username && statement.device === deviceId
    if (!ours) throw untrusted('ghost-device', 'A device asks for approval with a statement of another one.')
    if (deviceId === this.#core.identity.active().device.id || !(await this.#isPending(deviceId))) return
    yield { events: [{ type: 'device-requested', deviceId, name, fingerprint: statement.signingKey }] }
  }

  /** It may have been approved, or turned down, since it asked. */
  async #isPending(deviceId: string): Promise<boolean> {
    const { body } = await this.#core.tokens.call({
      method: 'GET',
      path: '/v1/devices',
      response: DevicePage
    })
    return body.items.some(({ id, status }) => id === deviceId && status === 'pending')
  }

  async *#devices({ username, statement: signed }: Data<'device.chain'>): AsyncGenerator<Handled> {
    const kinds = ['device-add', 'device-rekey', 'device-revoke', 'device-reset'] as const
    const statement = parseStatement(signed.text, kinds)
    const { user } = await this.#core.users.sync(username)
    const { device: deviceId, sequence } = statement
    const stands = user.hashes[sequence - 1] === (await statementHash(signed.text))
    if (!stands)
      throw untrusted('forged-event', `${username}'s chain does not hold what an event says of it.`)
    if (statement.kind === 'device-reset') {
      const pin = await this.#core.pins.get(username)
      if (pin !== undefined && pin.root !== user.root)
        yield { events: [{ type: 'identity-changed', username, wasVerified: pin.verified }] }
      return
    }
    const changes = { 'device-add': 'added', 'device-rekey': 'rekeyed', 'device-revoke': 'revoked' } as const
    yield { events: [{ type: 'device-changed', username, change: changes[statement.kind], deviceId }] }
  }
}
