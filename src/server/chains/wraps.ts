import { sql, type SQL } from 'drizzle-orm'
import type { Db } from '../db/database.js'
import { rows } from '../db/rows.js'

/** Wraps that one statement drops. */
const AT_ONCE = 5000

const makers = sql.raw('session_key_wraps')
const added = sql.raw('added_wraps')

/** Drop the wraps for a user's devices that are gone; beyond some thousand it is left to `dropWraps`. */
export async function dropWrapsOfGoneDevices(db: Db, userId: string): Promise<void> {
  const theirs = sql`d.user_id = ${userId}::uuid`
  await dropGone(db, makers, theirs)
  await dropGone(db, added, theirs)
}

/** Drop wraps that their devices fetched long ago, and those of devices that are gone. */
export async function dropWraps(db: Db, keptDays: number): Promise<void> {
  const old = sql`fetched_at < now() - ${keptDays}::int * interval '1 day'`
  await repeat(() => dropGone(db, makers, sql`true`))
  await repeat(() => dropGone(db, added, sql`true`))
  // The row of a maker's wrap stays: it says that the device is in the roster.
  await repeat(() =>
    count(
      db,
      sql`
update session_key_wraps set wrapped_key = null where ctid = any (array(
  select ctid from session_key_wraps where wrapped_key is not null and ${old} limit ${AT_ONCE}::int))
returning 1`
    )
  )
  await repeat(() =>
    count(
      db,
      sql`
delete from added_wraps where ctid = any (array(
  select ctid from added_wraps where ${old} limit ${AT_ONCE}::int))
returning 1`
    )
  )
}

/** @returns how many rows are gone */
function dropGone(db: Db, table: SQL, which: SQL): Promise<number> {
  return count(
    db,
    sql`
delete from ${table} where ctid = any (array(
  select w.ctid from devices d join ${table} w on w.device_id = d.id
  where d.status = 'revoked' and ${which} limit ${AT_ONCE}::int))
returning 1`
  )
}

async function count(db: Db, statement: SQL): Promise<number> {
  return (await rows(db, statement)).length
}

async function repeat(drop: () => Promise<number>): Promise<void> {
  while ((await drop()) === AT_ONCE);
}
