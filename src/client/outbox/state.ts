import type { NewMessage } from '../../protocol/messages.js'
import type { Content } from '../types/content.js'
import type { Store, StoreTransaction } from '../stores/store.js'

/** A message that the server has not confirmed. */
export type Waiting = {
  id: string
  sequence: number
  content: Content
  sentAt: string
  n: number
  /** Fingerprint of the signing key under which it was sealed. */
  by: string
  sealed: NewMessage
}

/** How a device sends in a conversation. */
export type Sending = {
  keyId: string
  /** How far the chains had grown when this key was found to cover exactly today's members and devices. */
  growth: number
  /** When it began to use this key, in milliseconds since 1970. */
  since: number
  /** Messages sealed under it. */
  count: number
  /** The waiting messages are those from `first` to below `next`. */
  first: number
  next: number
}

/** A message sealed with a counter, and by whom. */
export type Seal = (
  said: Pick<Waiting, 'id' | 'content' | 'sentAt'>,
  n: number
) => Promise<Pick<Waiting, 'by' | 'sealed'>>

/** What the store keeps of the outbox: per conversation the key in use, its counter, and what waits, in order. */
export class OutboxState {
  readonly #store: Store

  constructor(store: Store) {
    this.#store = store
  }

  async get(conversationId: string): Promise<Sending | null> {
    return (await this.#store.get<Sending>(sendingName(conversationId))) ?? null
  }

  /** Conversations in which something waits. */
  async conversations(): Promise<string[]> {
    const names = (await this.#store.list('outbox/')).map(([name]) => name.split('/')[1]!)
    return [...new Set(names)]
  }

  async list(conversationId: string): Promise<Waiting[]> {
    return (await this.#store.list<Waiting>(waitingName(conversationId))).map(([, waiting]) => waiting)
  }

  async holds(conversationId: string, id: string): Promise<boolean> {
    return (await this.#store.get(idName(conversationId, id))) !== undefined
  }

  /** The messages that have waited longest, in order, at most so many. */
  async first(conversationId: string, most: number): Promise<Waiting[]> {
    const found: Waiting[] = []
    const { first, next } = (await this.get(conversationId)) ?? { first: 0, next: 0 }
    for (let sequence = first; sequence < next && found.length < most; sequence++) {
      const waiting = await this.#store.get<Waiting>(waitingName(conversationId, sequence))
      if (waiting !== undefined) found.push(waiting)
    }
    return found
  }

  /**
   * Seal a message under the next counter of a key, and keep it. One that waits already stays as it is.
   *
   * @returns false if the conversation's key is another one by now
   */
  add(
    conversationId: string,
    keyId: string,
    said: Pick<Waiting, 'id' | 'content' | 'sentAt'>,
    seal: Seal
  ): Promise<boolean> {
    const { id } = said
    return this.#store.update(async (tx) => {
      const sending = await tx.get<Sending>(sendingName(conversationId))
      if (sending?.keyId !== keyId) return false
      if ((await tx.get(idName(conversationId, id))) !== undefined) return true
      const sequence = sending.next
      const n = await nextCounter(tx, conversationId, keyId)
      const waiting: Waiting = { ...said, sequence, n, ...(await seal(said, n)) }
      tx.set(waitingName(conversationId, sequence), waiting)
      tx.set(idName(conversationId, id), sequence)
      tx.set(sendingName(conversationId), { ...sending, count: sending.count + 1, next: sequence + 1 })
      return true
    })
  }

  /**
   * Seal a message under the next counter of a key, for somebody else to post.
   *
   * @returns null if the conversation's key is another one by now
   */
  seal(
    conversationId: string,
    keyId: string,
    said: Pick<Waiting, 'id' | 'content' | 'sentAt'>,
    seal: Seal
  ): Promise<NewMessage | null> {
    return this.#store.update(async (tx) => {
      const sending = await tx.get<Sending>(sendingName(conversationId))
      if (sending?.keyId !== keyId) return null
      const { sealed } = await seal(said, await nextCounter(tx, conversationId, keyId))
      tx.set(sendingName(conversationId), { ...sending, count: sending.count + 1 })
      return sealed
    })
  }

  /** The key in use was looked at again, and is good. */
  async confirm(conversationId: string, keyId: string, growth: number): Promise<void> {
    await this.#store.update(async (tx) => {
      const sending = await tx.get<Sending>(sendingName(conversationId))
      if (sending?.keyId === keyId) tx.set(sendingName(conversationId), { ...sending, growth })
    })
  }

  /**
   * Go over to a session key; what waits is sealed under it, in its order, each under its id.
   *
   * @param growth how far the chains had grown before the key was looked at
   */
  async use(conversationId: string, keyId: string, growth: number, now: number, seal: Seal): Promise<void> {
    await this.#store.update(async (tx) => {
      const before = await tx.get<Sending>(sendingName(conversationId))
      if (before?.keyId === keyId) return
      const sending: Sending = { first: 1, next: 1, ...before, keyId, growth, since: now, count: 0 }
      for (let sequence = sending.first; sequence < sending.next; sequence++) {
        const waiting = await tx.get<Waiting>(waitingName(conversationId, sequence))
        if (waiting === undefined) continue
        const n = await nextCounter(tx, conversationId, keyId)
        const resealed = { ...waiting, n, ...(await seal(waiting, n)) }
        tx.set(waitingName(conversationId, sequence), resealed)
        sending.count++
      }
      tx.set(sendingName(conversationId), sending)
    })
  }

  async remove(tx: StoreTransaction, conversationId: string, sequence: number, id: string): Promise<void> {
    const sending = await tx.get<Sending>(sendingName(conversationId))
    tx.delete(waitingName(conversationId, sequence))
    tx.delete(idName(conversationId, id))
    if (sending?.first === sequence) tx.set(sendingName(conversationId), { ...sending, first: sequence + 1 })
  }
}

/** Counters are never used again, even if a server goes back to an older key. */
async function nextCounter(tx: StoreTransaction, conversationId: string, keyId: string): Promise<number> {
  const name = `counter/${conversationId}/${keyId}`
  const n = ((await tx.get<number>(name)) ?? 0) + 1
  tx.set(name, n)
  return n
}

function sendingName(conversationId: string): string {
  return `sending/${conversationId}`
}

/** Sorted by name is sorted by sequence. */
function waitingName(conversationId: string, sequence?: number): string {
  return `outbox/${conversationId}/${sequence === undefined ? '' : String(sequence).padStart(12, '0')}`
}

function idName(conversationId: string, id: string): string {
  return `outbox-id/${conversationId}/${id}`
}
