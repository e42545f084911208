import type { UserHistory } from '../../protocol/user-history.js'
import type { Store } from '../stores/store.js'

const DAY_MS = 86_400_000
const LINKING_MS = 10 * 60_000

/** In milliseconds since 1970. */
type Stored = {
  /** When this device replaces its encryption keys the next time. */
  at: number
  /** Not before this time, for other reasons. */
  notBefore: number
  /** The newest rekey of another device of the user, by its number in the chain. */
  lastOther: number
}

const NAME = 'rekey'

/** When this device replaces its encryption keys by itself (docs/protocol.md, "A user's chain"). */
export class RekeySchedule {
  readonly #store: Store
  readonly #now: () => number
  readonly #random: () => number

  constructor(store: Store, now: () => number, random: () => number) {
    this.#store = store
    this.#now = now
    this.#random = random
  }

  /** Whether the time has come, whatever other devices do. */
  async isDue(): Promise<boolean> {
    const { at, notBefore } = await this.#change((stored) => stored)
    return this.#now() >= Math.max(at, notBefore)
  }

  /** Whether another device of the user has made way: at most one of them a day replaces its keys. */
  async isFree(history: UserHistory, ownSigningKey: string): Promise<boolean> {
    const lastOther = lastRekeyOfOthers(history, ownSigningKey)
    const { notBefore } = await this.#change((stored) => {
      if (lastOther <= stored.lastOther) return stored
      return { ...stored, lastOther, notBefore: Math.max(stored.notBefore, this.#now() + DAY_MS) }
    })
    return this.#now() >= notBefore
  }

  /** The keys were replaced. */
  async done(): Promise<void> {
    await this.#change((stored) => ({ ...stored, at: this.#next() }))
  }

  /** The server refused: try again tomorrow. */
  async postpone(): Promise<void> {
    await this.#change((stored) => ({ ...stored, at: this.#now() + DAY_MS }))
  }

  /** The person compares a link number, which a rekey would change. */
  async linkingOpened(): Promise<void> {
    const until = this.#now() + LINKING_MS
    await this.#change((stored) => ({ ...stored, notBefore: Math.max(stored.notBefore, until) }))
  }

  /** 90 days ± 30, so that the devices of a user, and users, do not rekey at the same time. */
  #next(): number {
    return this.#now() + (60 + 60 * this.#random()) * DAY_MS
  }

  async #change(to: (stored: Stored) => Stored): Promise<Stored> {
    const before = await this.#store.get<Stored>(NAME)
    const after = to(before ?? { at: this.#next(), notBefore: 0, lastOther: 0 })
    if (after !== before) await this.#store.update((tx) => tx.set(NAME, after))
    return after
  }
}

function lastRekeyOfOthers({ devices }: UserHistory, ownSigningKey: string): number {
  const rekeys = [...devices.values()]
    .filter(({ signingKey }) => signingKey !== ownSigningKey)
    .flatMap(({ keys }) => keys.slice(1).map(({ since }) => since))
  return Math.max(0, ...rekeys)
}
