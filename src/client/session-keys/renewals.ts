import { isRefusal, RefusedError, ChatError } from '../errors.js'
import type { OwnChain } from '../identity/own-chain.js'
import type { Store, StoreTransaction } from '../stores/store.js'
import type { Api } from '../transport/api.js'
import { conversationIds } from '../transport/pages.js'
import type { ChainRequests } from './requests.js'
import { hasMoved } from './sealing.js'

/** Conversations that get new keys at a time. */
const BATCH = 10
/** Another own device takes over what has no new key after this time. */
const TAKE_OVER_MS = 10 * 60_000

/** New session keys that are due in all conversations. Stored until they are made. */
type Task = {
  /** When this device begins, in milliseconds since 1970. */
  at: number
}

const NAME = 'renewal'

/** After a device was revoked, all its conversations get new keys at once (protocol, rule 10). */
export class KeyRenewals {
  readonly #api: Api
  readonly #store: Store
  readonly #own: OwnChain
  readonly #requests: ChainRequests
  readonly #now: () => number
  #pending: Promise<void> | null = null

  constructor(api: Api, store: Store, own: OwnChain, requests: ChainRequests, now: () => number) {
    this.#api = api
    this.#store = store
    this.#own = own
    this.#requests = requests
    this.#now = now
  }

  /** Plan new keys everywhere. @param isOwn whether this device has revoked; others wait */
  plan(tx: StoreTransaction, isOwn: boolean): void {
    tx.set(NAME, { at: this.#now() + (isOwn ? 0 : TAKE_OVER_MS) } satisfies Task)
  }

  /** Make the keys that are due by now. An interrupted call goes on where others have not been. */
  resume(): Promise<void> {
    this.#pending ??= this.#resume().finally(() => (this.#pending = null))
    return this.#pending
  }

  async #resume(): Promise<void> {
    const task = await this.#store.get<Task>(NAME)
    if (task === undefined || task.at > this.#now()) return
    await this.#own.requireActive()
    // The server lists the newest conversations first.
    const ids = await conversationIds(this.#api)
    for (let at = 0; at < ids.length; at += BATCH)
      await Promise.all(ids.slice(at, at + BATCH).map((id) => this.#renew(id)))
    await this.#store.update((tx) => tx.delete(NAME))
  }

  async #renew(id: string): Promise<void> {
    try {
      await this.#requests.change(id, (now, users) => (hasMoved(now, users) ? [] : null))
    } catch (error) {
      // A conversation that this device cannot write in keeps no other one back.
      if (!(error instanceof ChatError) || isRefusal(error, 'too-many-requests')) throw error
      const isRefused = error instanceof RefusedError && (error.status ?? 0) < 500
      if (!isRefused && !['untrusted', 'identity-changed', 'usage'].includes(error.kind)) throw error
    }
  }
}
