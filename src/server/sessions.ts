import { eq, type SQL } from 'drizzle-orm'
import type { Db, Tx } from './db/index.js'
import { devices, sessions, users } from './db/schema.js'
import type { NewEvent } from './log/append.js'
import { SESSIONS_ENDED } from './log/entry.js'
import type { Tail } from './log/tail.js'

/** A session as every request sees it. */
export interface ActiveSession {
  readonly id: string
  readonly userId: string
  readonly username: string
  readonly deviceId: string | null
  readonly deviceActive: boolean
  /** Milliseconds since 1970; may have moved on since, through a refresh on another process. */
  readonly expiresAt: number
  /** Set when memory must no longer be trusted: look the session up again. */
  stale: boolean
}

const CACHED = 100_000

/**
 * The sessions that requests use, kept in memory and kept true through the log: whoever revokes a session or
 * changes a device appends an event, and each process forgets what it knew when it reads it.
 */
export class Sessions {
  readonly #db: Db
  readonly #cache = new Map<string, ActiveSession>()
  readonly #onEnded: ((sessionId: string) => void)[] = []
  /** Rises with every invalidation: what was loaded across one may be outdated. */
  #generation = 0

  constructor(db: Db, tail: Tail) {
    this.#db = db
    tail.watch(({ type, json, recipients }) => {
      if (type === SESSIONS_ENDED) {
        for (const id of (JSON.parse(json) as { sessions: string[] }).sessions) {
          this.forget(id)
          for (const listener of this.#onEnded) listener(id)
        }
      } else if (type === 'device.chain') {
        this.#forgetUser((JSON.parse(json) as { userId: string }).userId)
      } else if (type === 'device.requested') {
        for (const userId of recipients) this.#forgetUser(userId)
      }
    })
  }

  onEnded(listener: (sessionId: string) => void): void {
    this.#onEnded.push(listener)
  }

  forget(id: string): void {
    this.#generation++
    this.#drop(id)
  }

  /** Out of memory, which says nothing about what is being loaded now. */
  #drop(id: string): void {
    const session = this.#cache.get(id)
    if (session === undefined) return
    session.stale = true
    this.#cache.delete(id)
  }

  #forgetUser(userId: string): void {
    this.#generation++
    for (const session of this.#cache.values()) if (session.userId === userId) this.#drop(session.id)
  }

  /** The session, or null if there is none (any more). */
  async find(id: string): Promise<ActiveSession | null> {
    const known = this.#cache.get(id)
    if (known !== undefined && known.expiresAt > Date.now()) return known
    this.#drop(id)
    const generation = this.#generation
    const session = await load(this.#db, id)
    if (session === null || session.expiresAt <= Date.now()) return null
    // A pending device may be approved at any moment: ask again until it is active.
    if (session.deviceId !== null && !session.deviceActive) return { ...session, stale: true }
    if (generation !== this.#generation) return this.find(id)
    // Loaded by another request meanwhile: one object a session, so that marking it stale reaches everybody.
    const other = this.#cache.get(id)
    if (other !== undefined) return other
    if (this.#cache.size >= CACHED) this.#drop(this.#cache.keys().next().value!)
    this.#cache.set(id, session)
    return session
  }
}

async function load(db: Db, id: string): Promise<ActiveSession | null> {
  const [row] = await db
    .select({
      id: sessions.id,
      userId: sessions.userId,
      username: users.username,
      deviceId: sessions.deviceId,
      deviceStatus: devices.status,
      expiresAt: sessions.expiresAt
    })
    .from(sessions)
    .innerJoin(users, eq(users.id, sessions.userId))
    .leftJoin(devices, eq(devices.id, sessions.deviceId))
    .where(eq(sessions.id, id))
  if (row === undefined || row.deviceStatus === 'revoked') return null
  const { deviceStatus, expiresAt, ...session } = row
  return { ...session, deviceActive: deviceStatus === 'active', expiresAt: expiresAt.getTime(), stale: false }
}

/** End sessions within a transaction. @returns the event to append with it, none if there was no session */
export async function endSessions(tx: Tx, which: SQL): Promise<NewEvent[]> {
  const ended = await tx.delete(sessions).where(which).returning({ id: sessions.id })
  if (ended.length === 0) return []
  return [{ type: SESSIONS_ENDED, data: { sessions: ended.map(({ id }) => id) }, to: 'processes' }]
}
