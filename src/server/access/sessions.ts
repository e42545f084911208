import { and, desc, eq, gt, sql, type SQL } from 'drizzle-orm'
import type { Session } from '../../protocol/accounts.js'
import { listOf } from '../db/prepared.js'
import type { Database, Db, PreparedStatement, Tx } from '../db/database.js'
import { devices, sessions } from '../db/schema.js'
import type { NewEvent } from '../log/append-events.js'
import { SESSIONS_ENDED, type Entry } from '../log/entry.js'
import type { Log } from '../log/index.js'
import { batchLoader } from '../db/batch-loader.js'

/** A session as every request sees it. */
export interface ActiveSession {
  readonly id: string
  readonly userId: string
  readonly username: string
  readonly deviceId: string | null
  readonly deviceActive: boolean
  /**
   * When it ends, on this process' monotonic clock (`performance.now()`). The database says how much time is
   * left, so that processes whose clocks differ agree. A refresh on another process may have put the end off
   * since.
   */
  readonly endsAt: number
}

const CACHED = 100_000
const LOADED_AT_ONCE = 200

/** A session that was loaded, null if there is none; `outdated` if it was forgotten meanwhile. */
type Loaded = ActiveSession | 'outdated' | null

/**
 * The sessions that requests use, in memory. The log keeps them true: whoever revokes a session or changes a
 * device appends an event, and each process that reads it forgets the sessions concerned.
 */
export class Sessions {
  readonly #load: (id: string) => Promise<Loaded>
  readonly #cache = new Map<string, ActiveSession>()
  readonly #onEnded: ((sessionId: string) => void)[] = []
  /**
   * Ids of the sessions, and of the users, that were forgotten since the running load began: what it finds of them may
   * be outdated. Null while none runs; no two run at once.
   */
  #forgotten: Set<string> | null = null

  constructor({ prepared }: Database, log: Pick<Log, 'listen'>) {
    this.#load = batchLoader((ids) => this.#loadAll(prepared, ids), LOADED_AT_ONCE)
    log.listen((entries) => {
      for (const entry of entries) this.#follow(entry)
    })
  }

  onEnded(listener: (sessionId: string) => void): void {
    this.#onEnded.push(listener)
  }

  /** Whether a session that was found earlier still is as it was; if not, find it again. */
  isCurrent(session: ActiveSession): boolean {
    return this.#cache.get(session.id) === session && session.endsAt > performance.now()
  }

  forget(id: string): void {
    this.#forgotten?.add(id)
    this.#cache.delete(id)
  }

  #forgetUser(userId: string): void {
    this.#forgotten?.add(userId)
    for (const session of this.#cache.values()) if (session.userId === userId) this.#cache.delete(session.id)
  }

  #follow(entry: Entry): void {
    if (entry.type === SESSIONS_ENDED) {
      for (const id of (JSON.parse(entry.json()) as { sessions: string[] }).sessions) {
        this.forget(id)
        for (const listener of this.#onEnded) listener(id)
      }
    } else if (entry.type === 'device.chain') {
      this.#forgetUser((JSON.parse(entry.json()) as { userId: string }).userId)
    } else if (entry.type === 'device.requested') {
      for (const userId of entry.recipients) this.#forgetUser(userId)
    }
  }

  /** The session, or null if there is none (any more). */
  async find(id: string): Promise<ActiveSession | null> {
    const known = this.#cache.get(id)
    if (known !== undefined && known.endsAt > performance.now()) return known
    this.#cache.delete(id)
    const session = await this.#load(id)
    return session === 'outdated' ? this.find(id) : session
  }

  async #loadAll(prepared: Database['prepared'], ids: string[]): Promise<Loaded[]> {
    const forgotten = new Set<string>()
    this.#forgotten = forgotten
    try {
      const found = await load(prepared, ids)
      return found.map((session, n) => this.#remember(session, ids[n]!, forgotten))
    } finally {
      this.#forgotten = null
    }
  }

  /** At once when it was loaded: later the session might have been forgotten unnoticed. */
  #remember(session: ActiveSession | null, id: string, forgotten: ReadonlySet<string>): Loaded {
    if (forgotten.has(id) || (session !== null && forgotten.has(session.userId))) return 'outdated'
    if (session === null || session.endsAt <= performance.now()) return null
    // A pending device may be approved at any moment: not remembered, it is looked up again until it is
    // active.
    if (session.deviceId !== null && !session.deviceActive) return session
    if (this.#cache.size >= CACHED) this.#cache.delete(this.#cache.keys().next().value!)
    this.#cache.set(id, session)
    return session
  }
}

interface SessionRow {
  id: string
  user_id: string
  username: string
  device_id: string | null
  device_status: string | null
  /** Milliseconds until it ends. */
  left: string
}

const SESSIONS: PreparedStatement = {
  name: 'sessions',
  text: `
select s.id, s.user_id, u.username, s.device_id, d.status as device_status,
  floor(extract(epoch from s.expires_at - now()) * 1000)::text as left
from unnest(${listOf(1)}::uuid[]) i(id) join sessions s on s.id = i.id
join users u on u.id = s.user_id left join devices d on d.id = s.device_id`
}

async function load(prepared: Database['prepared'], ids: string[]): Promise<(ActiveSession | null)[]> {
  const asked = performance.now()
  const rows = await prepared<SessionRow>(SESSIONS, [ids.join(',')])
  const found = new Map(rows.map((row) => [row.id, toSession(row, asked)]))
  return ids.map((id) => found.get(id) ?? null)
}

function toSession(row: SessionRow, asked: number): ActiveSession | null {
  if (row.device_status === 'revoked') return null
  return {
    id: row.id,
    userId: row.user_id,
    username: row.username,
    deviceId: row.device_id,
    deviceActive: row.device_status === 'active',
    endsAt: asked + Number(row.left)
  }
}

/** End sessions within a transaction. @returns the event to append with it, none if there was no session */
export async function endSessions(tx: Tx, which: SQL): Promise<NewEvent[]> {
  const ended = await tx.delete(sessions).where(which).returning({ id: sessions.id })
  if (ended.length === 0) return []
  return [{ type: SESSIONS_ENDED, data: { sessions: ended.map(({ id }) => id) }, to: 'processes' }]
}

/**
 * A person logs a device out: its key begins no session until the next log-in with the password. To be called before
 * the session ends, so that all lock the device first.
 *
 * @param which devices
 */
export async function logOutDevices(tx: Tx, which: SQL): Promise<void> {
  await tx.update(devices).set({ seenAt: null }).where(which)
}

/** Most sessions that a list shows. */
const SHOWN = 200

/** The sessions of a user that have not ended, most recently used first, as the API shows them. */
export async function openSessions(db: Db, userId: string): Promise<Omit<Session, 'current'>[]> {
  const rows = await db
    .select()
    .from(sessions)
    .where(and(eq(sessions.userId, userId), gt(sessions.expiresAt, sql`now()`)))
    .orderBy(desc(sessions.lastUsedAt))
    .limit(SHOWN)
  return rows.map(({ id, deviceId, method, address, userAgent, ...times }) => ({
    id,
    deviceId,
    method,
    address,
    userAgent,
    createdAt: times.createdAt.toISOString(),
    lastUsedAt: times.lastUsedAt.toISOString(),
    expiresAt: times.expiresAt.toISOString()
  }))
}
