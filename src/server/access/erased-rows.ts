import { and, eq, isNotNull, sql } from 'drizzle-orm'
import type { Database, Db, Tx } from '../db/database.js'
import { rows } from '../db/rows.js'
import { memberships, presence, users } from '../db/schema.js'
import { eraseEvents } from '../log/erase-events.js'
import { eraseUnreadable } from './unreadable.js'
import { AT_ONCE, deletePiece, type Pieces } from './erasure-pieces.js'
import { deleteOwnRows } from './erasure.js'

interface Erased {
  id: string
  /** Requests and streams that were under way at the erasure have ended. */
  isSettled: boolean
}

/**
 * Erases what is left of erased users, in short transactions. It goes on where it, or another process, has stopped: an
 * account counts as suspended until everything has gone, also what requests under way have written after the erasure.
 */
export class ErasedRows {
  readonly #database: Database
  /** The last sweep, of which there is one at a time. */
  #last: Promise<void> = Promise.resolve()
  #isStopped = false

  constructor(database: Database) {
    this.#database = database
  }

  /** Begin to sweep, and wait for nothing. */
  soon(): void {
    void this.sweep().catch((error: unknown) => {
      this.#database.logFailure(error, 'erasing an account goes on later')
    })
  }

  sweep(): Promise<void> {
    const sweep = () => this.#sweep()
    return (this.#last = this.#last.then(sweep, sweep))
  }

  /** Resolves when no transaction is under way. */
  async stop(): Promise<void> {
    this.#isStopped = true
    await this.#last.catch(() => undefined)
  }

  async #sweep(): Promise<void> {
    const { db } = this.#database
    const found = await db
      .select({ id: users.id, isSettled: sql<boolean>`${users.erasedAt} < now() - interval '1 minute'` })
      .from(users)
      .where(isLeft)
    const failures: unknown[] = []
    // One account that takes too long holds up no other.
    for (const user of found) await this.#eraseRows(db, user).catch((error: unknown) => failures.push(error))
    if (failures.length > 0) throw failures[0]
  }

  async #eraseRows(db: Db, { id, isSettled }: Erased): Promise<void> {
    const pieces: Pieces = async (piece) => {
      for (let isMore = true; isMore;)
        isMore = await db.transaction(async (tx) => {
          if (this.#isStopped || !(await isMine(tx, id))) throw new Stopped()
          return (await piece(tx)) >= AT_ONCE
        })
    }
    try {
      await pieces((tx) => deleteOwnRows(tx, id).then(() => 0))
      for (const table of ['session_key_wraps', 'added_wraps'])
        await pieces((tx) =>
          deletePiece(
            tx,
            table,
            sql`select x.ctid from devices d join ${sql.raw(table)} x on x.device_id = d.id where d.user_id = ${id}::uuid`
          )
        )
      await pieces((tx) => eraseReceived(tx, id))
      await eraseUnreadable(db, id, pieces)
      await pieces((tx) => finish(tx, id, isSettled))
    } catch (error) {
      if (!(error instanceof Stopped)) throw error
    }
  }
}

/** The server stops, or another process erases the rows of this user. */
class Stopped extends Error {}

const isLeft = and(isNotNull(users.erasedAt), isNotNull(users.suspendedAt))

async function isMine(tx: Tx, userId: string): Promise<boolean> {
  const found = await tx
    .select({ id: users.id })
    .from(users)
    .where(and(eq(users.id, userId), isLeft))
    .for('no key update', { skipLocked: true })
  return found.length > 0
}

/** Erase events that only this user could see. The lock makes the last one of several see that the others have gone. */
async function eraseReceived(tx: Tx, userId: string): Promise<number> {
  const found = await rows<{ position: string }>(
    tx,
    sql`
select e.position::text as position from events e where e.position = any (array(
  select position from event_recipients where user_id = ${userId}::uuid order by position limit ${AT_ONCE}::int))
order by e.position for update`
  )
  const positions = sql`${`{${found.map(({ position }) => position).join(',')}}`}::bigint[]`
  await tx.execute(
    sql`delete from event_recipients where user_id = ${userId}::uuid and position = any (${positions})`
  )
  await eraseEvents(
    tx,
    sql`select p from unnest(${positions}) p where not exists (select from event_recipients r where r.position = p)`
  )
  return found.length
}

/** Presence is told to others before its rows go. */
async function finish(tx: Tx, userId: string, isSettled: boolean): Promise<number> {
  await tx.delete(memberships).where(and(eq(memberships.userId, userId), isNotNull(memberships.leftAt)))
  if (!isSettled) return 0
  await tx.delete(presence).where(and(eq(presence.userId, userId), eq(presence.online, false)))
  const online = await tx.select().from(presence).where(eq(presence.userId, userId)).limit(1)
  if (online.length === 0) await tx.update(users).set({ suspendedAt: null }).where(eq(users.id, userId))
  return 0
}
