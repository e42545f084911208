import { isAboutOne, type ChatError } from '../errors.js'
import type { Alarms } from '../identity/alarms.js'
import type { Store, StoreTransaction } from '../stores/store.js'
import type { LacksContent } from '../types/content.js'
import type { UnreadableMessage } from '../types/messages.js'
import type { ChainRequests } from './requests.js'
import type { SessionKeys } from './store.js'

const DAY_MS = 24 * 3600 * 1000
/** An honest server takes no more keys of a user that nobody needs (`key-not-due`). A server that lies gets no more. */
const MAX_A_DAY = 5
/** Most keys that a device asks for at a time. */
const MAX_LACKS = 200

/** Codes of a session key whose maker has given this device something else, or the server has. */
const CODES: ReadonlySet<string> = new Set(['bad-wrap', 'wrong-commitment'])
/** Refusals that pass. */
const LATER: ReadonlySet<string> = new Set(['key-not-due', 'too-many-requests'])

/** Session keys that this device was given wrongly in a conversation. */
type Wrong = {
  /** The newest. */
  key: string
  /** Whether another is to take its place. */
  isDue: boolean
  /** When others have taken the place of such. */
  times: number[]
  /** Those to ask the user's other devices for. */
  lacks: string[]
  /** When they were asked. */
  asked: number[]
}

const AREA = 'wrong-wrap/'

/**
 * A session key that was wrapped wrongly for this device cuts it off from all who go on under it, also if it only
 * reads. So it tells its person who has made the key, asks the user's other devices for it, and makes another one: one
 * for each such key, if it is the newest, and some in a day.
 */
export class WrongWraps {
  readonly #store: Store
  readonly #requests: ChainRequests
  readonly #keys: SessionKeys
  readonly #alarms: Alarms
  readonly #ask: (content: LacksContent) => Promise<void>
  readonly #now: () => number
  #running: Promise<void> | null = null

  /** @param ask asks the user's other devices */
  constructor(
    store: Store,
    requests: ChainRequests,
    keys: SessionKeys,
    alarms: Alarms,
    ask: (content: LacksContent) => Promise<void>,
    now: () => number
  ) {
    this.#store = store
    this.#requests = requests
    this.#keys = keys
    this.#alarms = alarms
    this.#ask = ask
    this.#now = now
  }

  /** Tell it, once for each maker and conversation. */
  async tell({ conversationId, error }: UnreadableMessage): Promise<void> {
    const { code, message, about } = error
    await this.#alarms.raiseOnce({ code, message, about: { ...about, conversationId } })
  }

  /** Plan to ask for this key, and another one in its place. */
  async plan(tx: StoreTransaction, { conversationId, key }: UnreadableMessage): Promise<void> {
    const before = await tx.get<Wrong>(AREA + conversationId)
    if (before?.key === key) return
    const times = this.#recent(before?.times)
    const lacks = [...(before?.lacks ?? []), key].slice(-MAX_LACKS)
    const asked = before?.asked ?? []
    const isDue = times.length < MAX_A_DAY
    tx.set(AREA + conversationId, { key, isDue, times, lacks, asked } satisfies Wrong)
  }

  /** Make the keys that are planned, and ask for those that are lacking. */
  resume(): Promise<void> {
    this.#running ??= this.#resume().finally(() => (this.#running = null))
    return this.#running
  }

  async #resume(): Promise<void> {
    for (const [name, wrong] of await this.#store.list<Wrong>(AREA)) {
      if (wrong.isDue) await this.#replace(name, wrong)
      await this.#askFor(name, wrong).catch((error: unknown) => {
        // The conversation of one's devices may be blocked for now.
        if (!isAboutOne(error)) throw error
      })
    }
  }

  /** One message asks for all that came together. */
  async #askFor(name: string, { lacks, asked }: Wrong): Promise<void> {
    const before = this.#recent(asked)
    if (lacks.length === 0 || before.length >= MAX_A_DAY) return
    const conversation = name.slice(AREA.length)
    const stored = await this.#keys.list(conversation)
    const keys = lacks.filter((key) => !stored.includes(key))
    if (keys.length > 0) await this.#ask({ type: 'lacks', conversation, keys })
    await this.#store.update(async (tx) => {
      const now = await tx.get<Wrong>(name)
      if (now === undefined) return
      const left = now.lacks.filter((key) => !lacks.includes(key))
      tx.set(name, { ...now, lacks: left, asked: [...before, this.#now()] })
    })
  }

  #recent(times: readonly number[] = []): number[] {
    return times.filter((at) => at > this.#now() - DAY_MS)
  }

  async #replace(name: string, { key }: Wrong): Promise<void> {
    const id = name.slice(AREA.length)
    const made: number[] = []
    try {
      await this.#requests.change(
        id,
        async ({ chain }) => {
          made.length = 0
          if (chain.key.hash !== key || (await this.#opens(id, key))) return null
          made.push(this.#now())
          return []
        },
        { isCaused: false }
      )
    } catch (error) {
      if (!isAboutOne(error)) throw error
      // A block of the conversation may pass, and so may a budget.
      if (error.kind === 'identity-changed' || error.kind === 'untrusted' || LATER.has(error.code)) return
      made.length = 0
    }
    await this.#store.update(async (tx) => {
      const now = await tx.get<Wrong>(name)
      if (now === undefined) return
      tx.set(name, { ...now, isDue: now.isDue && now.key !== key, times: [...now.times, ...made] })
    })
  }

  /** A later wrap may have come, from another own device. */
  #opens(id: string, key: string): Promise<boolean> {
    return this.#keys.byHash(id, key).then(
      () => true,
      () => false
    )
  }
}

/** Whether a device was given a session key wrongly. */
export function isWrongWrap({ code }: ChatError): boolean {
  return CODES.has(code)
}
