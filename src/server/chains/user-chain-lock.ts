import { sql } from 'drizzle-orm'
import type { Tx } from '../db/database.js'

/** The advisory lock of all users' chains: an arbitrary constant of this program. */
const USER_CHAINS = 7_236_418_204

/** A transaction that holds user chains waits no longer for another lock, such as that of a busy conversation. */
const LOCK_TIMEOUT = '1s'

/**
 * Keep all users' chains as they are until the transaction ends. Many transactions hold this at once. It comes
 * before the locks of conversations.
 *
 * This is one lock, and no lock on each user's row: PostgreSQL lets those who share a row overtake one who waits
 * to change it, so that strangers could keep a user from revoking a device. An advisory lock is given in the
 * order of the requests.
 */
export async function holdUserChains(tx: Tx): Promise<void> {
  await tx.execute(
    sql`select pg_advisory_xact_lock_shared(${USER_CHAINS}::bigint), set_config('lock_timeout', ${LOCK_TIMEOUT}, true)`
  )
}

/** Wait until nobody holds user chains, and keep others from it until the transaction ends. */
export async function lockUserChains(tx: Tx): Promise<void> {
  await tx.execute(sql`select pg_advisory_xact_lock(${USER_CHAINS}::bigint)`)
}
