import { sql } from 'drizzle-orm'
import type { DeviceSession } from '../../access/auth.js'
import type { Config } from '../../config.js'
import type { Tx } from '../../db/database.js'
import { rows } from '../../db/rows.js'
import { Problem } from '../../http/problem.js'
import type { ParsedRequest } from './request.js'
import type { StoredChain } from './stored-chain.js'

export type SpareKeys = Config['conversations']['spareKeys']

/** Whether a session key is needed: members or chains have moved or change with it, or the last one is worn out. */
export function isKeyDue(stored: StoredChain | null, { request }: ParsedRequest): boolean {
  if (stored === null || 'leave' in request || request.changes.length > 0) return true
  return stored.isKeyDue || request.key.statement.state.length > 0
}

/** @throws {Problem} `key-not-due` */
export async function requireSpareKey(
  tx: Tx,
  { userId }: DeviceSession,
  { conversationId }: ParsedRequest,
  { perDay }: SpareKeys
): Promise<void> {
  const [made] = await rows<{ count: number }>(
    tx,
    sql`
select count(*)::int as count from session_keys
where conversation_id = ${conversationId}::uuid and maker_id = ${userId}::uuid and not due
  and created_at > now() - interval '24 hours'`
  )
  if (made!.count >= perDay) throw new Problem('key-not-due')
}
