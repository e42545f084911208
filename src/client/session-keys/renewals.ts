import { isAboutOne, isRefusal } from '../errors.js'
import type { OwnChain } from '../identity/own-chain.js'
import type { PendingStatements } from '../identity/pending.js'
import type { Store, StoreTransaction } from '../stores/store.js'
import type { Api } from '../transport/api.js'
import { conversationIds } from '../transport/pages.js'
import type { ChainRequests } from './requests.js'
import { hasMoved } from './sealing.js'

/** Conversations that get new keys at a time. */
const BATCH = 10
/** Another own device takes over what has no new key after this time. */
const TAKE_OVER_MS = 10 * 60_000
/** The pause before another attempt, when one has failed or the server takes no more for now. */
const RETRY_MS = 60_000

/** New session keys that are due in all conversations. Stored until they are made. */
type Task = {
  /** When this device begins, in milliseconds since 1970. */
  at: number
  /** Whether this device has revoked the other. */
  isOwn: boolean
  /** Another one for each revocation. */
  id: string
}

const NAME = 'renewal'

/** After a device was revoked, all its conversations get new keys at once (protocol, rule 10). */
export class KeyRenewals {
  readonly #api: Api
  readonly #store: Store
  readonly #own: OwnChain
  readonly #pending: PendingStatements
  readonly #requests: ChainRequests
  readonly #now: () => number
  #running: Promise<void> | null = null
  /** No attempt before this time, unless somebody asks for it. */
  #pauseUntil = 0

  constructor(
    api: Api,
    store: Store,
    own: OwnChain,
    pending: PendingStatements,
    requests: ChainRequests,
    now: () => number
  ) {
    this.#api = api
    this.#store = store
    this.#own = own
    this.#pending = pending
    this.#requests = requests
    this.#now = now
  }

  /** Plan new keys everywhere. @param isOwn whether this device has revoked; others wait */
  async plan(tx: StoreTransaction, isOwn: boolean): Promise<void> {
    const now = this.#now()
    const at = now + (isOwn ? 0 : TAKE_OVER_MS)
    const before = await tx.get<Task>(NAME)
    // Keys that are made for an earlier revocation know this one, too.
    const sooner = before === undefined ? at : Math.min(at, Math.max(before.at, now))
    const task: Task = { at: sooner, isOwn: isOwn || before?.isOwn === true, id: crypto.randomUUID() }
    tx.set(NAME, task)
  }

  /** Make the keys that are due by now. An interrupted call goes on where others have not been. */
  resume(): Promise<void> {
    this.#running ??= this.#resume()
      .catch((error: unknown) => {
        this.#pauseUntil = this.#now() + RETRY_MS
        throw error
      })
      .finally(() => (this.#running = null))
    return this.#running
  }

  /** The same while the stream of events stays up. Call it whenever the stream brings something. */
  async resumeIfDue(): Promise<void> {
    if (this.#now() >= this.#pauseUntil) await this.resume()
  }

  async #resume(): Promise<void> {
    const task = await this.#store.get<Task>(NAME)
    if (task === undefined || task.at > this.#now()) return
    // The keys are for the devices that are left when the revocation stands in the chain.
    if (await this.#pending.isOpen()) return
    await this.#own.requireActive()
    // The server lists the newest conversations first.
    const ids = await conversationIds(this.#api)
    let isDone = true
    for (let at = 0; at < ids.length; at += BATCH) {
      const batch = ids.slice(at, at + BATCH)
      const results = await Promise.all(batch.map((id) => this.#renew(id, task)))
      isDone &&= !results.includes(false)
    }
    await this.#store.update(async (tx) => {
      // Another device may have been revoked meanwhile.
      if ((await tx.get<Task>(NAME))?.id !== task.id) return
      if (isDone) tx.delete(NAME)
      else tx.set(NAME, { ...task, at: this.#now() + RETRY_MS } satisfies Task)
    })
  }

  /** @returns false if the server takes no more changes of this conversation for now */
  async #renew(id: string, { isOwn }: Task): Promise<boolean> {
    try {
      const isCaused = isOwn
      await this.#requests.change(id, (now, users) => (hasMoved(now, users) ? [] : null), { isCaused })
      return true
    } catch (error) {
      // A conversation that this device cannot write in keeps no other one back.
      if (!isAboutOne(error)) throw error
      return !isRefusal(error, 'too-many-requests')
    }
  }
}
