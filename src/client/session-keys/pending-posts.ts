import { importSessionKey } from '../../crypto/session-keys.js'
import type { ConversationChains } from '../conversations/chains.js'
import type { VerifiedConversation } from '../conversations/record.js'
import { ChatError, isDecidedRefusal, RefusedError, untrusted, isLeft } from '../errors.js'
import type { StoreTransaction } from '../stores/store.js'
import type { Api } from '../transport/api.js'
import type { SealingConditions } from './conditions.js'
import { conflict } from './conflicts.js'
import type { LostRequests } from './lost-requests.js'
import type { PendingRequest, PendingRequests } from './pending.js'
import type { SessionKeys } from './store.js'

/** Posts signed requests. Each is stored before it is sent, and only the verified chain tells whether it was taken. */
export class PendingPosts {
  readonly #api: Api
  readonly #chains: ConversationChains
  readonly #conditions: SealingConditions
  readonly #keys: SessionKeys
  readonly #pending: PendingRequests
  readonly #lost: LostRequests

  constructor(
    api: Api,
    chains: ConversationChains,
    conditions: SealingConditions,
    keys: SessionKeys,
    pending: PendingRequests,
    lost: LostRequests
  ) {
    this.#api = api
    this.#chains = chains
    this.#conditions = conditions
    this.#keys = keys
    this.#pending = pending
    this.#lost = lost
  }

  /** Send again what was interrupted. A refusal is told; a request that the server ignores waits for the next time. */
  async resume(): Promise<void> {
    for (const { conversationId } of await this.#pending.list())
      await this.finish(conversationId).catch((error: unknown) => {
        if (!(error instanceof RefusedError) && !(error instanceof ChatError && error.kind === 'untrusted'))
          throw error
      })
    await this.#lost.tell()
  }

  /**
   * Send an earlier request again, before another is signed in its place. Its refusal is the end of it: `resume` tells
   * the person what was not done.
   */
  async finish(id: string): Promise<void> {
    const pending = await this.#pending.get(id)
    if (pending === undefined) return
    await this.#post(pending, (tx) => this.#lost.note(tx, pending)).catch((error: unknown) => {
      if (!isDecidedRefusal(error)) throw error
    })
  }

  /** Store a new request, and send it. @returns as `#post` does */
  async send(pending: PendingRequest): Promise<VerifiedConversation> {
    if (await this.#pending.add(pending)) return this.#post(pending)
    throw conflict()
  }

  /**
   * @param ifLost written when the request is given up
   * @returns the chain that holds the request
   * @throws {ChatError} the refusal, once the chain lacks the request; `ignored-request` (`untrusted`) if the
   *   server says that it took it, and does not show it
   */
  async #post(
    pending: PendingRequest,
    ifLost?: (tx: StoreTransaction) => void
  ): Promise<VerifiedConversation> {
    const { conversationId: id, path, body, last } = pending
    const refusal = await this.#api.call({ method: 'POST', path, body }).then(
      () => null,
      (error: unknown) => {
        if (isDecidedRefusal(error)) return error
        throw error
      }
    )
    const conversation = await this.#shown(id)
    if (conversation?.history.has(last) === true) {
      await this.#settle(pending, conversation)
      return conversation
    }
    if (refusal === null)
      throw untrusted('ignored-request', 'The server has confirmed a change, and does not show it.')
    if (conversation !== null) await this.#conditions.requireChain(id)
    await this.#pending.settle(pending, ifLost)
    throw refusal
  }

  async #settle(pending: PendingRequest, { id, history }: VerifiedConversation): Promise<void> {
    const { key } = pending
    const material = key && (await importSessionKey(key.id, key.bytes))
    await this.#pending.settle(pending, (tx) => {
      const link = history.keys.find(({ id }) => id === material?.id)
      if (material !== null && link !== undefined) this.#keys.save(tx, id, link.hash, material)
    })
  }

  /**
   * The conversation, fetched to its end; null if it was never created. Former members are shown its chain too, so
   * that "not found" says nothing of one that is known.
   */
  async #shown(id: string): Promise<VerifiedConversation | null> {
    try {
      return (await this.#chains.sync(id)).conversation
    } catch (error) {
      const isNew = (await this.#chains.peek(id)) === undefined
      if (isNew && isLeft(error)) return null
      throw error
    }
  }
}
