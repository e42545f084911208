import { messageDigest } from '../../crypto/messages.js'
import { MAX_BATCH_MESSAGES, type NewMessage } from '../../protocol/messages.js'
import { ChatError, isPermanent, isRefusal, RefusedError } from '../errors.js'
import type { OwnDevice } from '../identity/own-device.js'
import { commitMessage } from '../messages/commit.js'
import type { Draft } from '../messages/encrypt.js'
import type { SeenMessages } from '../messages/seen.js'
import type { Rosters } from '../session-keys/roster.js'
import type { SessionKey } from '../session-keys/store.js'
import { Mutex } from '../stores/mutex.js'
import type { Store } from '../stores/store.js'
import type { Api } from '../transport/api.js'
import type { Content } from '../types/content.js'
import type { MessageNotSent } from '../types/events.js'
import type { Sent } from '../types/messages.js'
import type { OutboundKeys } from './outbound-key.js'
import { PendingReceipts } from './receipts.js'
import { fitting, postMessages } from './request.js'
import type { OutboxState, QueuedMessage } from './state.js'

/** Rekeys that the server may ask for within one flush. No honest server asks for more. */
const MAX_REKEYS = 8

interface Refusal {
  message: QueuedMessage
  error: unknown
}

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
  readonly #rosters: Rosters
  readonly #seen: SeenMessages
  readonly #me: OwnDevice
  readonly #now: () => number
  readonly #receipts = new PendingReceipts()
  readonly #flushes = new Map<string, Promise<string[]>>()
  readonly #mutexes = new Map<string, Mutex>()
  readonly #refused: MessageNotSent[] = []

  constructor(
    api: Api,
    store: Store,
    state: OutboxState,
    keys: OutboundKeys,
    rosters: Rosters,
    seen: SeenMessages,
    me: OwnDevice,
    now: () => number
  ) {
    this.#api = api
    this.#store = store
    this.#state = state
    this.#keys = keys
    this.#rosters = rosters
    this.#seen = seen
    this.#me = me
    this.#now = now
  }

  /** Queue and post a message. Resolves when the server has it. */
  async send(conversationId: string, content: Content, id: string = crypto.randomUUID()): Promise<Sent> {
    await this.#rosters.requireTrustedMembers(conversationId)
    const draft = this.#draft(id, content)
    const position = await this.#seen.positionOf(conversationId, id)
    if (position !== undefined) return { id, conversationId, position, sentAt: draft.sentAt }
    const sent = this.#receipts.wait(id)
    // If the steps below throw, `sent` has no other reader.
    sent.catch(() => undefined)
    await this.#mutex(conversationId).runExclusive(() => this.#enqueue(conversationId, draft))
    await this.#flushUntil(conversationId, id)
    return sent
  }

  /** Post the queued messages of all conversations. @returns the ids of those that were sent */
  async flush(): Promise<string[]> {
    const sent: string[] = []
    for (const id of await this.#state.conversations()) sent.push(...(await this.#flush(id)))
    return sent
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
    await this.#rosters.requireTrustedMembers(conversationId)
    // Queued messages have earlier counters, and so have to be posted first.
    await this.#flush(conversationId)
    const draft = this.#draft(id, content)
    return this.#mutex(conversationId).runExclusive(async () => {
      for (;;) {
        const key = await this.#keys.refreshed(conversationId)
        const message = await this.#state.seal(conversationId, key.id, draft, this.#keys.encryptor(key))
        if (message === null) continue
        this.#keys.markInFlight(message.sealed)
        return message.sealed
      }
    })
  }

  /** Refusals of messages that an earlier process queued. Each is returned once. */
  takeRefused(): MessageNotSent[] {
    return this.#refused.splice(0)
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
    this.#seen.forget(conversationId)
    const position = await this.#seen.positionOf(conversationId, id)
    if (position === undefined) {
      const refused = 'The message was refused when another process sent it.'
      return this.#receipts.reject(id, new ChatError('usage', 'not-sent', refused))
    }
    const sentAt = new Date(this.#now()).toISOString()
    this.#receipts.resolve({ id, conversationId, position, sentAt })
  }

  #draft(id: string, content: Content): Draft {
    return { id, content, sentAt: new Date(this.#now()).toISOString() }
  }

  async #enqueue(conversationId: string, draft: Draft, given?: SessionKey): Promise<void> {
    const key = given ?? (await this.#keys.current(conversationId))
    const isQueued = await this.#state.add(conversationId, key.id, draft, this.#keys.encryptor(key))
    // Another process has changed the key meanwhile.
    if (!isQueued) await this.#enqueue(conversationId, draft, await this.#keys.current(conversationId))
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
        if (!isRekeyRequired) ready = await this.#keys.ready(conversationId, queued)
        isRekeyRequired = false
        if (ready.length === 0) await this.#renewKey(conversationId, first)
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
          // The messages after it are under the same key: all of them are encrypted again.
          break
        }
        if (isPermanent(error)) await this.#drop(conversationId, message, error)
        else await this.#fail(conversationId, error)
      }
    }
  }

  async #renewKey(conversationId: string, { sealed }: QueuedMessage): Promise<void> {
    await this.#mutex(conversationId).runExclusive(() =>
      this.#keys.renew(conversationId, sealed.sessionKeyId)
    )
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
    const deviceId = this.#me.active().device.id
    await this.#store.update(async (tx) => {
      for (const { message, position, digest } of stored) {
        const { n, id, content } = message
        const counter = { conversationId, sessionKeyId: message.sealed.sessionKeyId, deviceId }
        await commitMessage(tx, this.#seen, { counter, entry: { n, id, digest, position }, content })
        await this.#state.remove(tx, conversationId, message)
      }
    })
    for (const { message, position } of stored) {
      const { id, sentAt } = message
      sent.push(id)
      this.#receipts.resolve({ id, conversationId, position, sentAt })
    }
    return refusals
  }

  /** The message will never be sent. */
  async #drop(conversationId: string, message: QueuedMessage, error: unknown): Promise<void> {
    const { id } = message
    await this.#store.update((tx) => this.#state.remove(tx, conversationId, message))
    if (this.#receipts.has(id)) this.#receipts.reject(id, error)
    else this.#refused.push({ type: 'not-sent', id, conversationId, error: error as ChatError })
  }

  /** Nothing can be posted now: the messages stay queued, and their senders get the error. */
  async #fail(conversationId: string, error: unknown): Promise<never> {
    for (const { id } of await this.#state.list(conversationId)) this.#receipts.reject(id, error)
    throw error
  }

  #mutex(conversationId: string): Mutex {
    let mutex = this.#mutexes.get(conversationId)
    if (mutex === undefined) this.#mutexes.set(conversationId, (mutex = new Mutex()))
    return mutex
  }
}
