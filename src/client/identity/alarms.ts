import { ChatError, type Heads } from '../errors.js'
import type { Store, StoreTransaction, Value } from '../stores/store.js'
import type { Handled } from './handled.js'
import type { ChatEvent } from '../types/events.js'

export interface Alarm {
  /** For programs: `displaced`, `forked-chain`, `server-behind`, … */
  code: string
  message: string
  hint?: string
  /** The ends of two chains that do not fit: the person may take the served one. */
  heads?: Heads
  about: { username?: string; conversationId?: string }
}

/** An event that the person has to see, whichever process has noticed it. */
type Notice = Extract<ChatEvent, { type: 'untrusted' | 'identity-changed' | 'not-sent' }>
/** Notices that no stream of events has shown yet, by their keys. */
type Waiting = { [onceKey: string]: Value }

const WAITING = 'telling'
/** Ends the key of a notice that was over before it was shown: it does not count as told. */
const OVER = ' over'

/** What has to be told to the person. The stream of events shows it, also what another process has noticed. */
export class Alarms {
  readonly #store: Store
  /** Keys of what was raised since the start. */
  readonly #raised = new Set<string>()
  /** Keys of what was told once or waits for it, as this process knows them. */
  #known: Promise<Set<string>> | null = null
  /** Raised again at each start, and not shown yet. */
  #again: { key: string; event: Notice }[] = []
  /** Noticed by this process, and not shown yet, by their keys. */
  readonly #noticed = new Map<string, Notice>()
  /** Keys of what is shown at the moment, and not over. */
  readonly #showing = new Set<string>()

  constructor(store: Store) {
    this.#store = store
  }

  /** Tell it, and again after each restart. @param key names what is told */
  raise(alarm: Alarm, key = alarmKey(alarm)): void {
    if (this.#raised.has(key)) return
    this.#raised.add(key)
    const event = alarmEvent(alarm)
    this.#again.push({ key, event })
    this.#noticed.set(key, event)
  }

  /** Tell it once, until it is `resolved`. @param key names what is told */
  raiseOnce(alarm: Alarm, key = alarmKey(alarm)): Promise<void> {
    return this.tellOnce(key, alarmEvent(alarm))
  }

  /** Tell an event once. @param onceKey names what is told */
  async tellOnce(onceKey: string, event: Notice): Promise<void> {
    if (this.#raised.has(onceKey)) return
    this.#raised.add(onceKey)
    if ((await this.#store.get(toldName(onceKey))) !== undefined) return
    await this.#store.update((tx) => this.tellOnceIn(tx, onceKey, event))
  }

  /** The same, with a change that is under way: without the one the other could not be told later. */
  async tellOnceIn(tx: StoreTransaction, onceKey: string, event: Notice): Promise<void> {
    if ((await tx.get(toldName(onceKey))) === undefined) await this.tellIn(tx, onceKey, event)
  }

  /** Tell it, with a change that is under way. */
  async tellIn(tx: StoreTransaction, onceKey: string, event: Notice): Promise<void> {
    this.#noticed.set(onceKey, event)
    ;(await this.#knownKeys()).add(onceKey)
    await putInto(tx, onceKey, toStored(event))
  }

  /** It is over: if it happens again, it is told again. A notice that was not shown yet is shown all the same. */
  async resolve({ code, about }: Pick<Alarm, 'code' | 'about'>): Promise<void> {
    const key = alarmKey({ code, about })
    const wasRaised = this.#raised.delete(key)
    const isShown = this.#showing.delete(key)
    if (!(await this.#knownKeys()).delete(key) && !wasRaised) return
    await this.#store.update(async (tx) => {
      tx.delete(toldName(key))
      const event = await takeFrom(tx, key)
      if (event !== undefined && !isShown) await putInto(tx, `${key}${OVER}`, event)
    })
  }

  /** The person has accepted the user as they are: an identity that was not shown yet is no news any more. */
  async identityAccepted(username: string): Promise<void> {
    const isOver = (key: string): boolean => key.startsWith(`identity-changed/${username}/`)
    for (const key of [...this.#noticed.keys()].filter(isOver)) this.#noticed.delete(key)
    for (const key of [...this.#raised].filter(isOver)) this.#raised.delete(key)
    const known = await this.#knownKeys()
    const over = [...known].filter(isOver)
    for (const key of over) known.delete(key)
    await this.#store.update(async (tx) => {
      for (const key of over) tx.delete(toldName(key))
      const waiting = Object.entries((await tx.get<Waiting>(WAITING)) ?? {})
      const left = waiting.filter(([key]) => !isOver(key))
      if (left.length === 0) tx.delete(WAITING)
      else tx.set(WAITING, Object.fromEntries(left))
    })
  }

  /** What waits to be shown. Each counts as told once it was shown: until then it comes again, in any process. */
  async *take(): AsyncGenerator<Handled> {
    for (let next = this.#again[0]; next !== undefined; next = this.#again[0]) {
      const { key, event } = next
      yield { events: [event] }
      this.#again = this.#again.filter((one) => one !== next)
      this.#noticed.delete(key)
    }
    const waiting = await this.#store.get<Waiting>(WAITING)
    for (const [key, event] of Object.entries(waiting ?? {})) {
      this.#showing.add(key)
      yield { events: [fromStored(event)], commit: (tx) => this.#told(tx, key) }
    }
  }

  /** What this process has noticed and not shown. It still waits for a stream of events. */
  noticed(): ChatEvent[] {
    const events = [...this.#noticed.values()]
    this.#noticed.clear()
    return events
  }

  /** Forget everything that is held in memory. */
  clear(): void {
    this.#raised.clear()
    this.#again = []
    this.#noticed.clear()
    this.#showing.clear()
    this.#known = null
  }

  /** It was shown. If it was over meanwhile, what waits under the key now is another one. */
  async #told(tx: StoreTransaction, key: string): Promise<void> {
    this.#noticed.delete(key)
    if (!this.#showing.delete(key) || (await takeFrom(tx, key)) === undefined || key.endsWith(OVER)) return
    tx.set(toldName(key), true)
    ;(await this.#knownKeys()).add(key)
  }

  #knownKeys(): Promise<Set<string>> {
    this.#known ??= this.#readKeys()
    return this.#known
  }

  async #readKeys(): Promise<Set<string>> {
    const told = (await this.#store.list(toldName(''))).map(([name]) => name.slice(toldName('').length))
    return new Set([...told, ...Object.keys((await this.#store.get<Waiting>(WAITING)) ?? {})])
  }
}

function toldName(key: string): string {
  return `told/${key}`
}

async function putInto(tx: StoreTransaction, key: string, event: Value): Promise<void> {
  tx.set(WAITING, { ...(await tx.get<Waiting>(WAITING)), [key]: event })
}

/** @returns undefined if it does not wait any more */
async function takeFrom(tx: StoreTransaction, key: string): Promise<Value | undefined> {
  const { [key]: event, ...left } = (await tx.get<Waiting>(WAITING)) ?? {}
  if (event === undefined) return undefined
  if (Object.keys(left).length === 0) tx.delete(WAITING)
  else tx.set(WAITING, left)
  return event
}

export function alarmKey({
  code,
  about: { username, conversationId }
}: Pick<Alarm, 'code' | 'about'>): string {
  return [code, username ?? '', conversationId ?? ''].join('/')
}

function alarmEvent({ code, message, about, ...details }: Alarm): Notice {
  return { type: 'untrusted', error: new ChatError('untrusted', code, message, details), ...about }
}

/** What an error says, for an alarm. */
export function alarmOf({ code, message, hint, heads }: ChatError): Omit<Alarm, 'about'> {
  return { code, message, ...(hint !== undefined && { hint }), ...(heads !== undefined && { heads }) }
}

/** The event as plain data. */
function toStored(event: Notice): Value {
  if (!('error' in event)) return event
  const { kind, status } = event.error
  const error = { kind, ...alarmOf(event.error), ...(status !== undefined && { status }) }
  return { ...event, error } as unknown as Value
}

function fromStored(stored: Value): Notice {
  const event = stored as unknown as Notice
  if (!('error' in event)) return event
  const { kind, code, message, ...details } = event.error
  return { ...event, error: new ChatError(kind, code, message, details) }
}
