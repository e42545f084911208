import { messageDigest } from '../../crypto/messages.js'
import { MAX_BATCH_MESSAGES, type NewMessage } from '../../protocol/messages.js'
import { ChatError, isPermanent, isRefusal, RefusedError } from '../errors.js'
import type { Alarms } from '../identity/alarms.js'
import { commitMessage } from '../messages/commit.js'
import type { Encrypt } from '../messages/encrypt.js'
import type { CounterId, SeenMessages } from '../messages/seen.js'
import { Mutexes } from '../stores/mutexes.js'
import type { Store } from '../stores/store.js'
import type { Api } from '../transport/api.js'
import { inEach } from '../transport/each.js'
import type { Content } from '../types/content.js'
import type { Sent } from '../types/messages.js'
import type { OutboundKeys } from './outbound-key.js'
import { PendingReceipts } from './receipts.js'
import { fetchMessage, fitting, otherMessage, postMessages } from './request.js'
import type { OutboxState, QueuedMessage } from './state.js'

/** Rekeys that the server may ask for within one flush. No honest server asks for more. */
const MAX_REKEYS = 8

type Refusal = { message: QueuedMessage; error: unknown }

/**
 * Messages on their way to the server. A message is encrypted and queued in one transaction. Then it is
 * posted, in the order of its conversation, until the server answers. The server knows its id, and stores it
 * once. `Http` repeats a request after a lost connection; whatever is still queued then is posted again by
 * the next `flush`.
 */
export class Outbox {
  readonly #api: Api
  readonly #store: Store
  readonly #state: OutboxState
  readonly #keys: OutboundKeys
  readonly #seen: SeenMessages
  readonly #alarms: Alarms
  readonly #now: () => number
  readonly #receipts = new PendingReceipts()
  readonly #flushes = new Map<string, Promise<string[]>>()
  readonly #mutexes = new Mutexes()

  constructor(
    api: Api,
    store: Store,
    state: OutboxState,
    keys: OutboundKeys,
    seen: SeenMessages,
    alarms: Alarms,
    now: () => number
  ) {
    this.#api = api
    this.#store = store
    this.#state = state
    this.#keys = keys
    this.#seen = seen
    this.#alarms = alarms
    this.#now = now
  }

  /** Queue and post a message. Resolves when the server has it. */
  async send(conversationId: string, content: Content, id: string = crypto.randomUUID()): Promise<Sent> {
    const draft = { id, content, sentAt: this.#time() }
    const position = await this.#seen.positionOf(conversationId, this.#keys.signingKey, id)
    if (position !== undefined) return this.#sentBefore(conversationId, id, position)
    const sent = this.#receipts.wait(id)
    // If the steps below throw, `sent` has no other reader.
    sent.catch(() => undefined)
    await this.#withKey(conversationId, (counter, encrypt) => this.#state.add(counter, draft, encrypt))
    await this.#flushUntil(conversationId, id)
    return sent
  }

  /** Post all queued messages. @returns the ids of those that were sent; why others can't be sent now */
  async flush(): Promise<{ sent: string[]; error: ChatError | null }> {
    const sent: string[] = []
    const error = await inEach(await this.#state.conversations(), async (id) => {
      sent.push(...(await this.#flush(id)))
    })
    return { sent, error }
  }

  /**
   * Encrypt a message for the caller to post, under the key that the server accepts now. Its counter is used
   * up, even if it is never posted.
   */
  async seal(
    conversationId: string,
    content: Content,
    id: string = crypto.randomUUID()
  ): Promise<NewMessage> {
    // Queued messages have earlier counters, and so have to be posted first.
    await this.#flush(conversationId)
    await this.#keys.look(conversationId)
    const draft = { id, content, sentAt: this.#time() }
    const { sealed } = await this.#withKey(conversationId, (counter, encrypt) =>
      this.#state.seal(counter, draft, encrypt)
    )
    this.#keys.markInFlight(sealed)
    return sealed
  }

  /** A flush may have begun before the message was queued: then it takes another. */
  async #flushUntil(conversationId: string, id: string): Promise<void> {
    while (this.#receipts.has(id)) {
      await this.#flush(conversationId)
      if (this.#receipts.has(id) && !(await this.#state.has(conversationId, id)))
        await this.#settleElsewhere(conversationId, id)
    }
  }

  /** Another process of this device has posted the message. */
  async #settleElsewhere(conversationId: string, id: string): Promise<void> {
    const position = await this.#seen.positionOf(conversationId, this.#keys.signingKey, id)
    if (position === undefined) {
      const refused = 'The message was refused when another process sent it.'
      return this.#receipts.reject(id, new ChatError('usage', 'not-sent', refused))
    }
    this.#receipts.resolve(await this.#sentBefore(conversationId, id, position))
  }

  async #sentBefore(conversationId: string, id: string, position: number): Promise<Sent> {
    const digest = await messageDigest(await fetchMessage(this.#api, { conversationId, id, position }))
    if (!(await this.#seen.isDigest(conversationId, this.#keys.signingKey, id, digest))) throw otherMessage()
    return { id, digest, conversationId, position, sentAt: this.#time() }
  }

  #time(): string {
    return new Date(this.#now()).toISOString()
  }

  /**
   * Encrypt under the key of now, in turn. While the server may have queued messages under an earlier key, they
   * are posted first: under another key they would be other messages.
   *
   * @param seal resolves to null if another process has changed the key meanwhile
   */
  async #withKey<T>(
    conversationId: string,
    seal: (counter: CounterId, encrypt: Encrypt) => Promise<T | null>
  ): Promise<T> {
    for (;;) {
      const work = (): Promise<T | null> => this.#keys.encryptWith(conversationId, seal)
      const done = await this.#mutexes.runExclusive(conversationId, work)
      if (done !== null) return done
      await this.#flush(conversationId)
    }
  }

  #flush(conversationId: string): Promise<string[]> {
    const present = this.#flushes.get(conversationId)
    if (present !== undefined) return present
    const work = this.#drain(conversationId).finally(() => this.#flushes.delete(conversationId))
    this.#flushes.set(conversationId, work)
    return work
  }

  async #drain(conversationId: string): Promise<string[]> {
    const sent: string[] = []
    let rekeys = 0
    let isRekeyRequired = false
    let isOneByOne = false
    for (;;) {
      const queued = await this.#state.first(conversationId, isOneByOne ? 1 : MAX_BATCH_MESSAGES)
      const [first] = queued
      if (first === undefined) return sent
      let ready: QueuedMessage[] = []
      let refusals: Refusal[] = []
      try {
        const isRefused = isRekeyRequired
        isRekeyRequired = false
        if (!isRefused) ready = await this.#keys.ready(conversationId, queued)
        if (ready.length === 0) await this.#renewKey(conversationId, isRefused ? first.sealed.key : undefined)
        else refusals = await this.#post(conversationId, fitting(ready), sent)
      } catch (error) {
        // If a batch is refused as a whole, posting its messages one by one shows which one is at fault.
        if (ready.length > 1 && isPermanent(error)) isOneByOne = true
        else refusals = [{ message: first, error }]
      }
      for (const { message, error } of refusals) {
        if (isRefusal(error, 'rekey-required') && rekeys < MAX_REKEYS) {
          rekeys++
          isRekeyRequired = true
          this.#keys.markRefused(message.sealed)
          // The messages after it are under the same key: all of them are encrypted again.
          break
        }
        if (isPermanent(error)) await this.#drop(conversationId, message, error)
        else await this.#fail(conversationId, error)
      }
    }
  }

  async #renewKey(conversationId: string, refused: string | undefined): Promise<void> {
    await this.#mutexes.runExclusive(conversationId, () => this.#keys.current(conversationId, refused))
  }

  /** @returns the refused messages in order; the ids of the others are added to `sent` */
  async #post(conversationId: string, batch: readonly QueuedMessage[], sent: string[]): Promise<Refusal[]> {
    const sealed = batch.map((message) => message.sealed)
    for (const message of sealed) this.#keys.markInFlight(message)
    const outcomes = await postMessages(this.#api, conversationId, sealed)
    const refusals: Refusal[] = []
    const stored: { message: QueuedMessage; position: number; digest: string }[] = []
    for (const [index, message] of batch.entries()) {
      const outcome = outcomes[index]!
      if (outcome instanceof RefusedError) refusals.push({ message, error: outcome })
      else stored.push({ message, position: outcome.position, digest: await messageDigest(message.sealed) })
    }
    await this.#store.update(async (tx) => {
      for (const { message, position, digest } of stored) {
        const { n, id, content } = message
        const counter = { conversationId, key: message.sealed.key, signingKey: message.by }
        await commitMessage(tx, this.#seen, {
          counter,
          entry: { n, id, digest, position, departed: false, isVoid: content.type === 'void' },
          content,
          late: false
        })
        await this.#state.remove(tx, conversationId, message)
      }
    })
    for (const { message, position, digest } of stored) {
      const { id, sentAt } = message
      sent.push(id)
      this.#receipts.resolve({ id, digest, conversationId, position, sentAt })
    }
    return refusals
  }

  /** The message will never be sent. Its number is used up: an empty message goes out under it. */
  async #drop(conversationId: string, message: QueuedMessage, error: unknown): Promise<void> {
    const { id } = message
    const isAwaited = this.#receipts.has(id)
    // Nobody waits for it: an earlier process has queued it.
    const event = { type: 'not-sent', id, conversationId, error: error as ChatError } as const
    if (!isAwaited) await this.#alarms.tellOnce(`not-sent/${id}`, event)
    const isOut = isRefusal(error, 'conversation-not-found', 'not-in-roster')
    const empty = isOut ? null : await this.#keys.emptied(conversationId, message)
    if (empty === null) await this.#store.update((tx) => this.#state.remove(tx, conversationId, message))
    else await this.#state.replace(conversationId, message, empty)
    if (isAwaited) this.#receipts.reject(id, error)
  }

  /** Nothing can be posted now: the messages stay queued, and their senders get the error. */
  async #fail(conversationId: string, error: unknown): Promise<never> {
    for (const { id } of await this.#state.list(conversationId)) this.#receipts.reject(id, error)
    throw error
  }
}
