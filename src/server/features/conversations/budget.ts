import { sql } from 'drizzle-orm'
import type { Config } from '../../config.js'
import type { Db } from '../../db/database.js'
import { rows } from '../../db/rows.js'
import { Problem } from '../../http/problem.js'

type Budget = Config['conversations']['requests']

/**
 * Spend one of a member's requests to a chain. The budget has some at once, and then some a minute.
 *
 * @throws {Problem} `too-many-requests` with `Retry-After`
 */
export async function spendRequest(
  db: Db,
  conversationId: string,
  userId: string,
  { atOnce, perMinute }: Budget
): Promise<void> {
  if (!Number.isFinite(atOnce)) return
  const cost = sql`${60 / perMinute}::float8 * interval '1 second'`
  const allowance = sql`${((atOnce - 1) * 60) / perMinute}::float8 * interval '1 second'`
  const member = sql`conversation_id = ${conversationId}::uuid and user_id = ${userId}::uuid and left_at is null`
  const spent = await rows(
    db,
    sql`
update memberships set spent_until = greatest(spent_until, now()) + ${cost}
where ${member} and (spent_until is null or spent_until <= now() + ${allowance})
returning 1`
  )
  if (spent.length > 0) return
  const [wait] = await rows<{ seconds: number }>(
    db,
    sql`
select ceil(extract(epoch from spent_until - now() - ${allowance}))::int as seconds
from memberships where ${member}`
  )
  if (wait === undefined) throw new Problem('conversation-not-found')
  const detail = `You may change this conversation ${atOnce} times at once, and then ${perMinute} times a minute.`
  throw new Problem('too-many-requests', detail, {}, Math.max(1, wait.seconds))
}
