import { ConversationPage } from '../../protocol/conversations.js'
import type { ConversationChains } from '../conversations/chains.js'
import { ChatError } from '../errors.js'
import type { Alarms } from '../identity/alarms.js'
import type { TrustStore } from '../identity/trust-store.js'
import type { Store } from '../stores/store.js'
import type { Api } from '../transport/api.js'
import { pagesOf } from '../transport/pages.js'
import type { MessageHistory } from './history.js'
import type { TrustInbox } from './trust-inbox.js'

/** The newest set is among the newest messages. */
const MAX_MESSAGES = 1000

/**
 * Reads what the user's other devices have told before the events of this device begin: it may be sent as soon
 * as the chain has this device, and the person confirms the link later.
 */
export class MissedTrust {
  readonly #api: Api
  readonly #store: Store
  readonly #trust: TrustStore
  readonly #chains: ConversationChains
  readonly #history: MessageHistory
  readonly #inbox: TrustInbox
  readonly #alarms: Alarms

  constructor(
    api: Api,
    store: Store,
    trust: TrustStore,
    chains: ConversationChains,
    history: MessageHistory,
    inbox: TrustInbox,
    alarms: Alarms
  ) {
    this.#api = api
    this.#store = store
    this.#trust = trust
    this.#chains = chains
    this.#history = history
    this.#inbox = inbox
    this.#alarms = alarms
  }

  /** Read it, if this device still waits to hear whom the user trusts. */
  async read(): Promise<void> {
    if (!(await this.#trust.isUnread())) return
    for await (const { items } of pagesOf(this.#api, '/v1/conversations?limit=200', ConversationPage))
      for (const { id, kind } of items) if (kind === 'self') await this.#readIn(id)
    await this.#store.update((tx) => this.#trust.hasRead(tx))
  }

  async #readIn(conversationId: string): Promise<void> {
    try {
      await this.#chains.sync(conversationId)
      for await (const item of this.#history.read(conversationId, { limit: MAX_MESSAGES })) {
        if (!(await this.#trust.isUnread())) return
        const commit = item.type === 'message' ? await this.#inbox.take(item) : undefined
        if (commit !== undefined) await this.#store.update(commit)
      }
    } catch (error) {
      if (!(error instanceof ChatError) || error.kind !== 'untrusted') throw error
      const { code, message } = error
      this.#alarms.raise({ code, message, about: { conversationId } })
    }
  }
}
