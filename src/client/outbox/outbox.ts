import { messageDigest } from '../../crypto/messages.js'
import { MAX_BATCH_MESSAGES, type NewMessage } from '../../protocol/messages.js'
import type { Content } from '../types/content.js'
import type { MessageNotSent } from '../types/events.js'
import type { Sent } from '../types/messages.js'
import type { Core } from '../core.js'
import { commitMessage } from '../messages/commit.js'
import { ChatError, isPermanent, isRefusal, RefusedError } from '../errors.js'
import { OutboxState, type Waiting } from './state.js'
import { fitting, post } from './request.js'
import { OutboundKeys } from './outbound-key.js'
import type { HeldKey } from '../session-keys/store.js'
import { Mutex } from '../stores/mutex.js'

/** Keys that the server may ask for within one flush; more would be a server that plays with us. */
const MOST_REKEYS = 8

interface Refusal {
  waiting: Waiting
  error: unknown
}

interface Listener {
  resolve: (sent: Sent) => void
  reject: (error: unknown) => void
}

/**
 * What was said and has not reached the server yet. A message is sealed and kept in one transaction; then it is
 * posted, in the order of its conversation, as often as it takes. The server knows its id: it is stored once.
 */
export class Outbox {
  readonly #core: Core
  readonly #state: OutboxState
  readonly #keys: OutboundKeys
  readonly #listeners = new Map<string, Listener[]>()
  readonly #flushing = new Map<string, Promise<string[]>>()
  readonly #turns = new Map<string, Mutex>()
  readonly #refused: MessageNotSent[] = []

  constructor(core: Core) {
    this.#core = core
    this.#state = new OutboxState(core.store)
    this.#keys = new OutboundKeys(core, this.#state)
  }

  /** Keep, post, and wait until the server has it. */
  async send(conversationId: string, content: Content, id: string = crypto.randomUUID()): Promise<Sent> {
    await this.#requireAccepted(conversationId)
    const sentAt = new Date(this.#core.options.now()).toISOString()
    const known = await this.#core.ledger.positionOf(conversationId, id)
    if (known !== undefined) return { id, conversationId, position: known, sentAt }
    const done = this.#listen(id)
    // Whatever goes wrong below is thrown from there.
    done.catch(() => undefined)
    await this.#turnsOf(conversationId).runExclusive(() =>
      this.#enqueue(conversationId, { id, content, sentAt })
    )
    await this.#flushUntil(conversationId, id)
    return done
  }

  /** Post what waits in all conversations. @returns the ids of what was sent */
  async flush(): Promise<string[]> {
    const sent: string[] = []
    for (const id of await this.#state.conversations()) sent.push(...(await this.#flush(id)))
    return sent
  }

  /**
   * Seal a message for the caller to post, under the key that the server takes now. Its counter is used up, whether or
   * not it is ever posted.
   */
  async seal(
    conversationId: string,
    content: Content,
    id: string = crypto.randomUUID()
  ): Promise<NewMessage> {
    await this.#requireAccepted(conversationId)
    // What waits has earlier counters, and so has to be there first.
    await this.#flush(conversationId)
    const said = { id, content, sentAt: new Date(this.#core.options.now()).toISOString() }
    return this.#turnsOf(conversationId).runExclusive(async () => {
      for (;;) {
        const key = await this.#keys.refreshed(conversationId)
        const message = await this.#state.seal(conversationId, key.id, said, this.#keys.sealer(key))
        if (message === null) continue
        this.#keys.markInFlight(message)
        return message
      }
    })
  }

  /** A flush may have begun before the message was in the box: then it takes another. */
  async #flushUntil(conversationId: string, id: string): Promise<void> {
    while (this.#listeners.has(id)) {
      await this.#flush(conversationId)
      if (this.#listeners.has(id) && !(await this.#state.holds(conversationId, id)))
        await this.#settleElsewhere(conversationId, id)
    }
  }

  /** Another process of this device has posted it. */
  async #settleElsewhere(conversationId: string, id: string): Promise<void> {
    this.#core.ledger.forget(conversationId)
    const position = await this.#core.ledger.positionOf(conversationId, id)
    if (position === undefined) this.#settle(id, ({ reject }) => reject(gone()))
    else {
      const sentAt = new Date(this.#core.options.now()).toISOString()
      this.#settle(id, ({ resolve }) => resolve({ id, conversationId, position, sentAt }))
    }
  }

  async #requireAccepted(conversationId: string): Promise<void> {
    const { members } = await this.#core.rooms.get(conversationId)
    for (const { username } of members)
      if (username !== this.#core.identity.username)
        await this.#core.pins.requireTrusted([await this.#core.users.get(username)])
  }

  async #enqueue(
    conversationId: string,
    said: { id: string; content: Content; sentAt: string },
    key?: HeldKey
  ): Promise<void> {
    const using = key ?? (await this.#keys.current(conversationId))
    const kept = await this.#state.add(conversationId, using.id, said, this.#keys.sealer(using))
    // Another process has changed the key meanwhile.
    if (!kept) await this.#enqueue(conversationId, said, await this.#keys.current(conversationId))
  }

  #flush(conversationId: string): Promise<string[]> {
    const present = this.#flushing.get(conversationId)
    if (present !== undefined) return present
    const work = this.#drain(conversationId).finally(() => this.#flushing.delete(conversationId))
    this.#flushing.set(conversationId, work)
    return work
  }

  async #drain(conversationId: string): Promise<string[]> {
    const sent: string[] = []
    let rekeys = 0
    let isRekeyAsked = false
    let isOneByOne = false
    for (;;) {
      const waiting = await this.#state.first(conversationId, isOneByOne ? 1 : MAX_BATCH_MESSAGES)
      const [first] = waiting
      if (first === undefined) return sent
      let [ready, refusals]: [Waiting[], Refusal[]] = [[], []]
      try {
        if (!isRekeyAsked) ready = await this.#keys.ready(conversationId, waiting)
        isRekeyAsked = false
        if (ready.length === 0) await this.#reseal(conversationId, first)
        else refusals = await this.#post(conversationId, fitting(ready), sent)
      } catch (error) {
        // What is wrong with a batch as a whole is seen when its messages go alone.
        if (ready.length > 1 && isPermanent(error)) isOneByOne = true
        else refusals = [{ waiting: first, error }]
      }
      for (const { waiting, error } of refusals) {
        isRekeyAsked = isRefusal(error, 'rekey-required') && rekeys++ < MOST_REKEYS
        // Those behind it are of the same key.
        if (isRekeyAsked) break
        if (isPermanent(error)) await this.#drop(conversationId, waiting, error)
        else await this.#fail(conversationId, error)
      }
    }
  }

  async #reseal(conversationId: string, { sealed }: Waiting): Promise<void> {
    await this.#turnsOf(conversationId).runExclusive(() =>
      this.#keys.renew(conversationId, sealed.sessionKeyId)
    )
  }

  /** @returns those that were refused, in their order; the others are added to `sent` */
  async #post(conversationId: string, batch: readonly Waiting[], sent: string[]): Promise<Refusal[]> {
    for (const { sealed } of batch) this.#keys.markInFlight(sealed)
    const answers = await post(
      this.#core,
      conversationId,
      batch.map(({ sealed }) => sealed)
    )
    const refusals: Refusal[] = []
    const stored: { waiting: Waiting; position: number; digest: string }[] = []
    for (const [index, waiting] of batch.entries()) {
      const answer = answers[index]!
      if (answer instanceof RefusedError) refusals.push({ waiting, error: answer })
      else stored.push({ waiting, position: answer.position, digest: await messageDigest(waiting.sealed) })
    }
    const deviceId = this.#core.identity.active().device.id
    await this.#core.store.update(async (tx) => {
      for (const { waiting, position, digest } of stored) {
        const { n, id, sequence, sealed, content } = waiting
        const counter = { conversationId, sessionKeyId: sealed.sessionKeyId, deviceId }
        const entry = { n, id, digest, position }
        await commitMessage(tx, this.#core.ledger, { counter, entry, content })
        await this.#state.remove(tx, conversationId, sequence, id)
      }
    })
    for (const { waiting, position } of stored) {
      const { id, sentAt } = waiting
      sent.push(id)
      this.#settle(id, ({ resolve }) => resolve({ id, conversationId, position, sentAt }))
    }
    return refusals
  }

  /** It will never be sent. */
  async #drop(conversationId: string, { id, sequence }: Waiting, error: unknown): Promise<void> {
    await this.#core.store.update((tx) => this.#state.remove(tx, conversationId, sequence, id))
    if (this.#listeners.has(id)) this.#settle(id, ({ reject }) => reject(error))
    else this.#refused.push({ type: 'not-sent', id, conversationId, error: error as ChatError })
  }

  /** Messages of an earlier process that were refused, each told once. */
  takeRefused(): MessageNotSent[] {
    return this.#refused.splice(0)
  }

  /** It can't go on now: all that waits stays, and whoever waits for it is told. */
  async #fail(conversationId: string, error: unknown): Promise<never> {
    for (const { id } of await this.#state.list(conversationId))
      this.#settle(id, ({ reject }) => reject(error))
    throw error
  }

  #listen(id: string): Promise<Sent> {
    return new Promise((resolve, reject) => {
      this.#listeners.set(id, [...(this.#listeners.get(id) ?? []), { resolve, reject }])
    })
  }

  #settle(id: string, how: (listener: Listener) => void): void {
    const listeners = this.#listeners.get(id) ?? []
    this.#listeners.delete(id)
    listeners.forEach(how)
  }

  #turnsOf(conversationId: string): Mutex {
    let turns = this.#turns.get(conversationId)
    if (turns === undefined) this.#turns.set(conversationId, (turns = new Mutex()))
    return turns
  }
}

function gone(): ChatError {
  return new ChatError('usage', 'not-sent', 'The message was refused when another process sent it.')
}
