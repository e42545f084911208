import { sql, type SQL } from 'drizzle-orm'
import type { Tx } from '../db/database.js'
import { rows } from '../db/rows.js'
import { ERASED } from './entry.js'

/**
 * Erase events: each keeps its position, so that the log stays dense, and nothing else. Nobody reads it any more.
 *
 * @param positions SQL: a statement that selects the positions, at most as many as one transaction should change
 * @returns how many were erased
 */
export async function eraseEvents(tx: Tx, positions: SQL): Promise<number> {
  const erased = await rows(
    tx,
    sql`
update events set type = ${ERASED}, conversation_id = null, data = '{"erased":true}', added_users = null,
  removed_users = null, message_id = null, sender_id = null, sender_device_id = null, session_key_id = null,
  iv = null, ciphertext = null, signature = null, deleted_at = now()
where position = any (array(${positions}))
returning 1`
  )
  return erased.length
}
