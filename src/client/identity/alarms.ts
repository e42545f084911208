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

/** What has to be told to the person. The stream of events shows it, also what another process has noticed. */
export class Alarms {
  readonly #store: Store
  /** Keys of what was raised since the start. */
  readonly #raised = new Set<string>()
  /** Keys of what was told once, as stored. */
  #toldOnce: Promise<Set<string>> | null = null
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
    if ((await this.#toldKeys()).has(onceKey)) return
    await this.#store.update((tx) => this.tellIn(tx, onceKey, event))
  }

  /** The same, with a change that is under way: without the one the other could not be told later. */
  async tellOnceIn(tx: StoreTransaction, onceKey: string, event: Notice): Promise<void> {
    if (this.#raised.has(onceKey) || (await this.#toldKeys()).has(onceKey)) return
    await this.tellIn(tx, onceKey, event)
  }

  /** Tell it, with a change that is under way. */
  async tellIn(tx: StoreTransaction, onceKey: string, event: Notice): Promise<void> {
    this.#noticed.set(onceKey, event)
    tx.set(WAITING, { ...(await tx.get<Waiting>(WAITING)), [onceKey]: toStored(event) })
  }

  /** It is over: if it happens again, it is told again. */
  async resolve({ code, about }: Pick<Alarm, 'code' | 'about'>): Promise<void> {
    const key = alarmKey({ code, about })
    this.#raised.delete(key)
    this.#showing.delete(key)
    if ((await this.#toldKeys()).delete(key)) await this.#store.update((tx) => tx.delete(`told/${key}`))
  }

  /** The person has accepted the user as they are: an identity that was not shown yet is no news any more. */
  async identityAccepted(username: string): Promise<void> {
    const isOver = (key: string): boolean => key.startsWith(`identity-changed/${username}/`)
    for (const key of [...this.#noticed.keys()].filter(isOver)) this.#noticed.delete(key)
    for (const key of [...this.#raised].filter(isOver)) this.#raised.delete(key)
    const told = await this.#toldKeys()
    const over = [...told].filter(isOver)
    for (const key of over) told.delete(key)
    await this.#store.update(async (tx) => {
      for (const key of over) tx.delete(`told/${key}`)
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
    this.#toldOnce = null
  }

  /** The person may have settled it meanwhile: then it is told again if it happens again. */
  async #told(tx: StoreTransaction, key: string): Promise<void> {
    this.#noticed.delete(key)
    const { [key]: shown, ...left } = (await tx.get<Waiting>(WAITING)) ?? {}
    const isOver = !this.#showing.delete(key)
    if (shown === undefined) return
    if (Object.keys(left).length === 0) tx.delete(WAITING)
    else tx.set(WAITING, left)
    if (isOver) return
    tx.set(`told/${key}`, true)
    ;(await this.#toldKeys()).add(key)
  }

  #toldKeys(): Promise<Set<string>> {
    this.#toldOnce ??= this.#store
      .list('told/')
      .then((entries) => new Set(entries.map(([name]) => name.slice('told/'.length))))
    return this.#toldOnce
  }
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
