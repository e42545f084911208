import { sql } from 'drizzle-orm'
import type { DeletedMessage } from '../../protocol/messages.js'
import type { Tx } from '../db/database.js'
import { rows } from '../db/rows.js'
import type { NewEvent } from './append-events.js'
import { asNumber, isoTime } from './entry.js'

/**
 * Erase what a message says, and leave a tombstone in its place, so that readers of the history and of old cursors
 * know that something stood there.
 *
 * @returns the event to append; null if it is a tombstone already
 */
export async function deleteMessage(tx: Tx, messageId: string): Promise<NewEvent | null | 'not-found'> {
  const [deleted] = await rows<{ conversationId: string; data: { message: DeletedMessage } }>(
    tx,
    sql`
update events e set type = 'message.deleted', iv = null, ciphertext = null, signature = null, deleted_at = now(),
  data = json_build_object('conversationId', e.conversation_id, 'message', json_build_object(
    'id', e.message_id,
    'position', ${sql.raw(asNumber('e.position'))},
    'sender', json_build_object('userId', u.id, 'username', u.username, 'deviceId', e.sender_device_id),
    'key', k.hash,
    'deletedAt', ${sql.raw(isoTime('now()'))}))
from users u, session_keys k
where e.message_id = ${messageId}::uuid and e.deleted_at is null and u.id = e.sender_id and k.id = e.session_key_id
returning e.conversation_id as "conversationId", e.data`
  )
  if (deleted !== undefined)
    return { type: 'message.deleted', data: deleted.data, to: { conversation: deleted.conversationId } }
  const known = await rows(tx, sql`select 1 from events where message_id = ${messageId}::uuid`)
  return known.length === 0 ? 'not-found' : null
}
