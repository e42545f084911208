import { randomUUID } from 'node:crypto'
import { and, eq, gt, lt, or, sql } from 'drizzle-orm'
import { presence, processes } from '../../db/schema.js'
import type { Services } from '../../services.js'
import { frame } from '../../http/event-frame.js'
import { readPlaces, readRequests, writePresence, type Place } from './queries.js'

const LEASE_SECONDS = 10
const RENEW_MS = 3000
const LOOK_MS = 1000
/** A client that reconnects within this time stays online. */
const GRACE_MS = 2000
/** Changes wait for others: after a restart thousands come, and each round costs a write for each contact. */
const GATHER_MS = 50

export type PresenceServices = Pick<Services, 'config' | 'database' | 'db' | 'hub' | 'log' | 'notifier'>

/**
 * The users who are online: those with an open stream on some process. Each process keeps its own rows under
 * a lease that it renews, so that nobody stays online through a process that has died. Changes have the
 * process' version, so that the others read only what is new.
 */
export class Presence {
  readonly #services: PresenceServices
  readonly #processId = randomUUID()
  /** Users who are online through this process, as written or about to be. */
  readonly #here = new Map<string, boolean>()
  readonly #leaving = new Map<string, NodeJS.Timeout>()
  /** For each live process: the version that was read last, and the users who are online through it. */
  readonly #known = new Map<string, { version: number; online: Set<string> }>()
  readonly #unwritten = new Set<string>()
  #gathering: NodeJS.Timeout | undefined
  readonly #timers: NodeJS.Timeout[] = []
  readonly #stopListening: () => void
  #work: Promise<void> = Promise.resolve()
  #stopped = false

  constructor(services: PresenceServices) {
    this.#services = services
    services.hub.onPresence((userId, online) => this.#changed(userId, online))
    this.#stopListening = services.notifier.listen('presence', () => this.#enqueue(() => this.#look()))
    services.log.listen((entries) => {
      for (const entry of entries) {
        if (entry.type !== 'block.changed') continue
        const { userId, blocked } = JSON.parse(entry.json()) as { userId: string; blocked: boolean }
        if (blocked) this.#enqueue(() => this.#hide([userId, ...entry.recipients]))
      }
    })
    this.#enqueue(() => this.#renew())
    this.#every(RENEW_MS, () => this.#renew())
    this.#every(LOOK_MS, () => this.#look())
  }

  isOnline(userId: string): boolean {
    return [...this.#known.values()].some(({ online }) => online.has(userId))
  }

  /** Take all users of this process offline, before the database is closed. */
  async stop(): Promise<void> {
    this.#stopListening()
    for (const timer of [...this.#timers, ...this.#leaving.values(), this.#gathering]) clearTimeout(timer)
    this.#enqueue(async () => {
      await this.#services.db.delete(processes).where(eq(processes.id, this.#processId))
      this.#services.notifier.notify('presence')
    })
    this.#stopped = true
    await this.#work
  }

  #every(ms: number, task: () => Promise<void>): void {
    const timer = setInterval(() => this.#enqueue(task), ms)
    timer.unref()
    this.#timers.push(timer)
  }

  /** One task at a time, so that this process' versions rise in the order in which they commit. */
  #enqueue(task: () => Promise<void>): void {
    if (this.#stopped) return
    this.#work = this.#work
      .then(task)
      .catch((error: unknown) =>
        this.#services.database.logFailure(error, 'presence is behind; trying again')
      )
  }

  #changed(userId: string, online: boolean): void {
    clearTimeout(this.#leaving.get(userId))
    this.#leaving.delete(userId)
    if (online) return this.#set(userId, true)
    const timer = setTimeout(() => {
      this.#leaving.delete(userId)
      this.#set(userId, false)
    }, GRACE_MS)
    timer.unref()
    this.#leaving.set(userId, timer)
  }

  #set(userId: string, online: boolean): void {
    if ((this.#here.get(userId) ?? false) === online) return
    this.#here.set(userId, online)
    this.#unwritten.add(userId)
    this.#gathering ??= setTimeout(() => {
      this.#gathering = undefined
      this.#enqueue(() => this.#write())
    }, GATHER_MS).unref()
  }

  async #write(): Promise<void> {
    const { notifier, database } = this.#services
    const changed = [...this.#unwritten]
    if (changed.length === 0) return
    this.#unwritten.clear()
    try {
      const changes = changed.map((userId) => [userId, this.#here.get(userId) ?? false] as const)
      if (!(await writePresence(database.prepared, this.#processId, changes)))
        throw new Error('the lease of this process was lost')
    } catch (error) {
      for (const userId of changed) this.#unwritten.add(userId)
      throw error
    }
    notifier.notify('presence')
    await this.#look()
  }

  async #renew(): Promise<void> {
    const { db } = this.#services
    const leaseUntil = sql`now() + make_interval(secs => ${LEASE_SECONDS})`
    const [row] = await db
      .insert(processes)
      .values({ id: this.#processId, leaseUntil })
      .onConflictDoUpdate({ target: processes.id, set: { leaseUntil } })
      .returning({ version: processes.version })
    // The lease was lost and another process has deleted the rows: write them again.
    if (row!.version === 0) for (const [userId, online] of this.#here) if (online) this.#unwritten.add(userId)
    // A lease too far in the future is from before the database's clock was set back.
    const tooLate = sql`now() + make_interval(secs => ${2 * LEASE_SECONDS})`
    await db
      .delete(processes)
      .where(or(lt(processes.leaseUntil, sql`now()`), gt(processes.leaseUntil, tooLate)))
    for (const [userId, online] of this.#here) if (!online) this.#here.delete(userId)
    await this.#write()
  }

  /** Read the changes of all processes, and announce them to the users' contacts. */
  async #look(): Promise<void> {
    const { db } = this.#services
    const was = new Map<string, boolean>()
    const note = (userId: string) => {
      if (!was.has(userId)) was.set(userId, this.isOnline(userId))
    }
    const living = await db
      .select()
      .from(processes)
      .where(gt(processes.leaseUntil, sql`now()`))
    for (const [id, { online }] of this.#known)
      if (!living.some((process) => process.id === id)) {
        for (const userId of online) note(userId)
        this.#known.delete(id)
      }
    for (const { id, version } of living) {
      let known = this.#known.get(id)
      if (known !== undefined && version < known.version) {
        // The process has lost its lease and taken another: its versions start again.
        for (const userId of known.online) note(userId)
        known = undefined
      }
      known ??= { version: 0, online: new Set<string>() }
      if (version === known.version) continue
      const rows = await db
        .select()
        .from(presence)
        .where(and(eq(presence.processId, id), gt(presence.version, known.version)))
      for (const { userId } of rows) note(userId)
      for (const { userId, online } of rows)
        if (online) known.online.add(userId)
        else known.online.delete(userId)
      this.#known.set(id, { version, online: known.online })
    }
    await this.#announce([...was].filter(([userId, online]) => online !== this.isOnline(userId)))
  }

  async #announce(changes: [userId: string, was: boolean][]): Promise<void> {
    if (changes.length === 0) return
    const at = new Date().toISOString()
    const places = await this.#places(changes.map(([userId]) => userId))
    // All frames for one recipient go out in one write.
    const due = new Map<string, string>()
    for (const { place, readers } of places) {
      const text = presenceFrame(place, this.isOnline(place.id), at)
      const hidden = new Set(place.hidden)
      for (const other of readers) if (!hidden.has(other)) due.set(other, (due.get(other) ?? '') + text)
    }
    for (const [userId, frames] of due) this.#services.hub.announce(userId, frames)
  }

  /** One of two users has blocked the other: to each the other seems to go. */
  async #hide(users: readonly string[]): Promise<void> {
    const at = new Date().toISOString()
    for (const { place, readers } of await this.#places(users.filter((id) => this.isOnline(id))))
      for (const other of users)
        if (readers.has(other)) this.#services.hub.announce(other, presenceFrame(place, false, at))
  }

  /** Where users are, with those here who are told when they come and go, unless they are hidden. */
  async #places(userIds: readonly string[]): Promise<{ place: Place; readers: Set<string> }[]> {
    const { config, database, hub } = this.#services
    if (userIds.length === 0) return []
    const places = await readPlaces(database.prepared, userIds, config.presence.largestGroup)
    const here = hub.usersIn(places.flatMap(({ conversations }) => conversations))
    const requests = await readRequests(database.prepared, [...here])
    return places.map((place) => {
      const readers = new Set<string>()
      // Without those who have come meanwhile: which of their requests wait is not known.
      for (const id of place.conversations)
        for (const reader of hub.usersIn([id]))
          if (here.has(reader) && requests.get(reader)?.has(id) !== true) readers.add(reader)
      readers.delete(place.id)
      return { place, readers }
    })
  }
}

function presenceFrame({ id: userId, username }: Place, online: boolean, at: string): string {
  return frame('presence', JSON.stringify({ userId, username, online, at }))
}
