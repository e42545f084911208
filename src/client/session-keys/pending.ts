import type { SignedStatement } from '../../protocol/schema.js'
import type { Store, StoreTransaction, Value } from '../stores/store.js'
import type { SignedRequest } from './create.js'

/** A signed request to a conversation's chain, of which the outcome is not known yet. */
export type PendingRequest = {
  conversationId: string
  path: string
  /** The body, to be sent again as it is. */
  body: { readonly [name: string]: Value }
  /** Hash of the last statement: the request counts once the verified chain has it. */
  last: string
  /** The session key that the request brings; null for `conversation-leave`. */
  key: { id: string; bytes: Uint8Array } | null
}

/** Own requests are stored before they are sent. A conversation has one at a time. */
export class PendingRequests {
  readonly #store: Store

  constructor(store: Store) {
    this.#store = store
  }

  get(conversationId: string): Promise<PendingRequest | undefined> {
    return this.#store.get<PendingRequest>(nameOf(conversationId))
  }

  async list(): Promise<PendingRequest[]> {
    return (await this.#store.list<PendingRequest>(nameOf(''))).map(([, pending]) => pending)
  }

  /** @returns false if another process has a request under way in the conversation */
  add(pending: PendingRequest): Promise<boolean> {
    const name = nameOf(pending.conversationId)
    return this.#store.update(async (tx) => {
      if ((await tx.get(name)) !== undefined) return false
      tx.set(name, pending)
      return true
    })
  }

  /** The outcome is known: forget the request, its key too. @param commit written in the same transaction */
  async settle(
    { conversationId, last }: PendingRequest,
    commit?: (tx: StoreTransaction) => void
  ): Promise<void> {
    const name = nameOf(conversationId)
    await this.#store.update(async (tx) => {
      if ((await tx.get<PendingRequest>(name))?.last === last) tx.delete(name)
      commit?.(tx)
    })
  }
}

export function toPending(
  conversationId: string,
  path: string,
  body: object,
  { material, hash }: SignedRequest
): PendingRequest {
  const key = { id: material.id, bytes: material.bytes }
  return { conversationId, path, body: body as PendingRequest['body'], last: hash, key }
}

/** A leave brings no key. */
export function pendingLeave(
  conversationId: string,
  statement: SignedStatement,
  hash: string
): PendingRequest {
  const path = `/v1/conversations/${conversationId}/chain`
  return { conversationId, path, body: { statements: [statement] }, last: hash, key: null }
}

function nameOf(conversationId: string): string {
  return `pending-request/${conversationId}`
}
