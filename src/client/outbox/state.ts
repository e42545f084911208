import { MAX_MESSAGES_PER_KEY, type NewMessage } from '../../protocol/messages.js'
import { ChatError } from '../errors.js'
import type { Draft, Encrypt, EncryptedMessage } from '../messages/encrypt.js'
import type { CounterId, SeenMessages } from '../messages/seen.js'
import type { Store, StoreTransaction } from '../stores/store.js'
import type { Content } from '../types/content.js'

/** A message that the server has not confirmed. */
export type QueuedMessage = {
  id: string
  /** Its place in the queue of its conversation. */
  sequence: number
  content: Content
  sentAt: string
  n: number
  /** Fingerprint of the signing key. */
  by: string
  sealed: NewMessage
}

/** How this device sends in a conversation. */
export type SendState = {
  /** Hash of the session key's statement. */
  key: string
  /** Fingerprint of the signing key that sends: it is in the roster of the session key. */
  by: string
  /** The chain revision at which the key was found to be good. */
  growth: number
  /** The queued messages are those from `first` to below `next`. */
  first: number
  next: number
}

/**
 * The stored part of the outbox. For each conversation: the key in use, its counter, and the queued messages.
 */
export class OutboxState {
  readonly #store: Store
  readonly #seen: SeenMessages

  constructor(store: Store, seen: SeenMessages) {
    this.#store = store
    this.#seen = seen
  }

  async get(conversationId: string): Promise<SendState | null> {
    return (await this.#store.get<SendState>(stateName(conversationId))) ?? null
  }

  /** Ids of the conversations that have queued messages. */
  async conversations(): Promise<string[]> {
    const names = (await this.#store.list('outbox/')).map(([name]) => name.split('/')[1]!)
    return [...new Set(names)]
  }

  async list(conversationId: string): Promise<QueuedMessage[]> {
    return (await this.#store.list<QueuedMessage>(queueName(conversationId))).map(([, message]) => message)
  }

  /** Whether a message is queued in any conversation. */
  async isQueued(id: string): Promise<boolean> {
    for (const conversationId of await this.conversations())
      if (await this.has(conversationId, id)) return true
    return false
  }

  async has(conversationId: string, id: string): Promise<boolean> {
    return (await this.#store.get(idName(conversationId, id))) !== undefined
  }

  /** The oldest queued messages, in order. */
  async first(conversationId: string, limit: number): Promise<QueuedMessage[]> {
    const found: QueuedMessage[] = []
    const { first, next } = (await this.get(conversationId)) ?? { first: 0, next: 0 }
    for (let sequence = first; sequence < next && found.length < limit; sequence++) {
      const message = await this.#store.get<QueuedMessage>(queueName(conversationId, sequence))
      if (message !== undefined) found.push(message)
    }
    return found
  }

  /**
   * Encrypt a message under the next counter of a key, and queue it. One that is queued already stays as it
   * is.
   *
   * @returns null if the conversation's key, or this device, is another one by now
   */
  add(counter: CounterId, draft: Draft, encrypt: Encrypt): Promise<true | null> {
    const { conversationId } = counter
    const { id } = draft
    return this.#store.update(async (tx) => {
      const state = await tx.get<SendState>(stateName(conversationId))
      if (state === undefined || !sendsWith(state, counter)) return null
      if ((await tx.get(idName(conversationId, id))) !== undefined) return true
      const sequence = state.next
      const n = await this.#nextCounter(tx, counter)
      const message: QueuedMessage = { ...draft, sequence, n, ...(await encrypt(draft, n)) }
      tx.set(queueName(conversationId, sequence), message)
      tx.set(idName(conversationId, id), sequence)
      tx.set(stateName(conversationId), { ...state, next: sequence + 1 })
      return true
    })
  }

  /**
   * Encrypt a message under the next counter of a key, without queueing it.
   *
   * @returns null if the conversation's key, or this device, is another one by now
   */
  seal(counter: CounterId, draft: Draft, encrypt: Encrypt): Promise<EncryptedMessage | null> {
    return this.#store.update(async (tx) => {
      const state = await tx.get<SendState>(stateName(counter.conversationId))
      if (state === undefined || !sendsWith(state, counter)) return null
      return encrypt(draft, await this.#nextCounter(tx, counter))
    })
  }

  /** The key in use was checked again at this revision of the chains. */
  async confirm(conversationId: string, key: string, revision: number): Promise<void> {
    await this.#store.update(async (tx) => {
      const state = await tx.get<SendState>(stateName(conversationId))
      if (state?.key === key) tx.set(stateName(conversationId), { ...state, growth: revision })
    })
  }

  /**
   * Send with another session key, or as another device, from now on. Queued messages are encrypted again under it, in order, with the
   * same ids.
   *
   * @param next the key and the device, and the revision of the chains before they were checked
   * @param isAbsent whether the server does not have a message. They are posted in order: if it does not have
   *   the first, it has none.
   * @returns false if it may have the first one: then nothing is changed
   */
  use(
    conversationId: string,
    next: Pick<SendState, 'key' | 'by' | 'growth'>,
    encrypt: Encrypt,
    isAbsent: (message: QueuedMessage) => boolean
  ): Promise<boolean> {
    return this.#store.update(async (tx) => {
      const before = await tx.get<SendState>(stateName(conversationId))
      const counter = { conversationId, key: next.key, signingKey: next.by }
      if (before !== undefined && sendsWith(before, counter)) return true
      const state: SendState = { first: 1, next: 1, ...before, ...next }
      let isFirst = true
      for (let sequence = state.first; sequence < state.next; sequence++) {
        const message = await tx.get<QueuedMessage>(queueName(conversationId, sequence))
        if (message === undefined) continue
        if (isFirst && !isAbsent(message)) return false
        isFirst = false
        const n = await this.#nextCounter(tx, counter)
        tx.set(queueName(conversationId, sequence), { ...message, n, ...(await encrypt(message, n)) })
      }
      tx.set(stateName(conversationId), state)
      return true
    })
  }

  async remove(
    tx: StoreTransaction,
    conversationId: string,
    { id, sequence }: Pick<QueuedMessage, 'id' | 'sequence'>
  ): Promise<void> {
    const state = await tx.get<SendState>(stateName(conversationId))
    tx.delete(queueName(conversationId, sequence))
    tx.delete(idName(conversationId, id))
    if (state?.first === sequence) tx.set(stateName(conversationId), { ...state, first: sequence + 1 })
  }

  /** Give a message up: another one stands under its number, so that nobody misses it. */
  async replace(conversationId: string, message: QueuedMessage, by: QueuedMessage): Promise<void> {
    await this.#store.update((tx) => {
      tx.delete(idName(conversationId, message.id))
      tx.set(queueName(conversationId, message.sequence), by)
      tx.set(idName(conversationId, by.id), message.sequence)
    })
  }

  /**
   * A counter is never used twice, even if a server goes back to an older key, or the store was put back to
   * an older state and this device has seen newer messages of its own.
   */
  async #nextCounter(tx: StoreTransaction, counter: CounterId): Promise<number> {
    const name = `counter/${counter.conversationId}/${counter.key}`
    const n = Math.max((await tx.get<number>(name)) ?? 0, await this.#seen.highest(counter)) + 1
    if (n > MAX_MESSAGES_PER_KEY)
      throw new ChatError('usage', 'key-used-up', 'The session key has no number left.')
    tx.set(name, n)
    return n
  }
}

function sendsWith({ key, by }: SendState, counter: CounterId): boolean {
  return key === counter.key && by === counter.signingKey
}

function stateName(conversationId: string): string {
  return `sending/${conversationId}`
}

/** Sorted by name is sorted by sequence. */
function queueName(conversationId: string, sequence?: number): string {
  return `outbox/${conversationId}/${sequence === undefined ? '' : String(sequence).padStart(12, '0')}`
}

function idName(conversationId: string, id: string): string {
  return `outbox-id/${conversationId}/${id}`
}
