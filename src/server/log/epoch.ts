import { randomBytes } from 'node:crypto'
import { sql } from 'drizzle-orm'
import type { Database } from '../db/database.js'
import { logHead } from '../db/schema.js'

/** More events than are ever lost with a database. There is room for two million restores. */
const LOST_AT_MOST = 2 ** 32

/**
 * Make sure that the log has a head, and an epoch made in this very database. A restored copy would give positions to
 * new events that clients have seen with others. So it goes on far behind them, and gets a new epoch: old cursors no
 * longer count.
 *
 * @returns the epoch, which names this log
 */
export async function ensureEpoch({ db, origin }: Database): Promise<string> {
  const here = await origin()
  // Eight letters and digits, as in a cursor.
  const epoch = BigInt(`0x${randomBytes(8).toString('hex')}`)
    .toString(36)
    .padStart(8, '0')
    .slice(-8)
  await db
    .insert(logHead)
    .values({ last: 0, epoch, origin: here })
    .onConflictDoUpdate({
      target: logHead.one,
      set: { last: sql`${logHead.last} + ${LOST_AT_MOST}::bigint`, epoch, origin: here },
      setWhere: sql`${logHead.origin} <> ${here}`
    })
  const [head] = await db.select({ epoch: logHead.epoch }).from(logHead)
  return head!.epoch
}
