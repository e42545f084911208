import { sql, type SQL } from 'drizzle-orm'
import type { Tx } from '../db/database.js'
import { rows } from '../db/rows.js'
import { ERASED } from './entry.js'

/** Events that one statement erases. */
const AT_ONCE = 5000

/**
 * Erase events: each keeps its position, so that the log stays dense, and nothing else. Nobody reads it any more.
 *
 * @param which SQL: a condition on events `e`
 */
export async function eraseEvents(tx: Tx, which: SQL): Promise<void> {
  let erased: unknown[]
  do
    erased = await rows(
      tx,
      sql`
update events set type = ${ERASED}, conversation_id = null, data = '{"erased":true}', added_users = null,
  removed_users = null, message_id = null, sender_id = null, sender_device_id = null, session_key_id = null,
  iv = null, ciphertext = null, signature = null, deleted_at = now()
where position = any (array(
  select e.position from events e where e.type <> ${ERASED} and ${which} limit ${AT_ONCE}::int))
returning 1`
    )
  while (erased.length === AT_ONCE)
}
