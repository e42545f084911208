import { sql, type SQL } from 'drizzle-orm'
import type { Tx } from '../db/database.js'
import { rows } from '../db/rows.js'

/** Rows that one transaction of a sweep erases: others wait no longer than for that. */
export const AT_ONCE = 1000

/** Call a piece in a transaction of its own, again and again, as long as it says that it has erased `AT_ONCE` rows. */
export type Pieces = (piece: (tx: Tx) => Promise<number>) => Promise<void>

/**
 * Delete rows of a table.
 *
 * @param ctids SQL: a statement that selects them, without `limit`
 * @returns how many
 */
export async function deletePiece(tx: Tx, table: string, ctids: SQL): Promise<number> {
  const deleted = await rows(
    tx,
    sql`delete from ${sql.raw(table)} where ctid = any (array(${ctids} limit ${AT_ONCE}::int)) returning 1`
  )
  return deleted.length
}
