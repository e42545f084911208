import { and, eq, lt, sql } from 'drizzle-orm'
import type { Database, Db } from './database.js'
import { attempts, devices, invites, passwordResets, sessions, usedNonces, users } from './schema.js'

const SWEEP_MS = 60_000
const MAINTAIN_MS = 3_600_000

/** Remove what has expired. */
export async function sweep(db: Db): Promise<void> {
  await db.delete(sessions).where(lt(sessions.expiresAt, sql`now()`))
  await db.delete(passwordResets).where(lt(passwordResets.expiresAt, sql`now()`))
  await db.delete(usedNonces).where(lt(usedNonces.expiresAt, sql`now()`))
  // Rows that are in use at this moment are left for the next time.
  await db.execute(sql`
    delete from ${attempts} where ctid = any (array(
      select ctid from ${attempts} where ${attempts.endsAt} < now() for update skip locked))`)
  // Those that were used still tell who came with which.
  await db
    .delete(invites)
    .where(and(eq(invites.uses, 0), lt(invites.expiresAt, sql`now() - interval '30 days'`)))
  // Devices that nobody has approved for a week. A call that reads an account's devices keeps it locked until it has
  // changed them: such accounts are left for the next time.
  const isForgotten = and(
    eq(devices.status, 'pending'),
    lt(devices.createdAt, sql`now() - interval '7 days'`)
  )
  await db.execute(sql`
    with account as materialized (
      select id from ${users} where id = any (array(select ${devices.userId} from ${devices} where ${isForgotten}))
      for no key update skip locked
    )
    delete from ${devices} where ${isForgotten} and ${devices.userId} in (select id from account)`)
}

/**
 * Sweep every minute, and maintain the database every hour.
 *
 * @param also what else there is to remove
 * @returns how to stop
 */
export function startSweeper(
  { db, maintain, logFailure }: Database,
  also: { minutely: () => Promise<void>; hourly: () => Promise<void> }
): () => void {
  const safely = (task: () => Promise<unknown>) => () =>
    void task().catch((error: unknown) => logFailure(error, 'sweeping failed; trying again later'))
  const timers = [
    setInterval(
      safely(() => sweep(db).then(also.minutely)),
      SWEEP_MS
    ),
    setInterval(
      safely(() => also.hourly().then(maintain)),
      MAINTAIN_MS
    )
  ]
  for (const timer of timers) timer.unref()
  return () => {
    for (const timer of timers) clearInterval(timer)
  }
}
