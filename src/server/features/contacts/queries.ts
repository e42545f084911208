import { and, asc, eq, gt, sql } from 'drizzle-orm'
import { lockOwnAccount } from '../../access/accounts.js'
import type { ActiveSession } from '../../access/sessions.js'
import type { Db, Tx } from '../../db/database.js'
import { rows } from '../../db/rows.js'
import { blocks, users } from '../../db/schema.js'
import { Problem } from '../../http/problem.js'

/** A page of the users whom a user has blocked, after a name. */
export function readBlocks(db: Db, userId: string, after: string, limit: number) {
  return db
    .select({ username: users.username, createdAt: blocks.createdAt })
    .from(blocks)
    .innerJoin(users, eq(users.id, blocks.blockedId))
    .where(and(eq(blocks.userId, userId), gt(users.username, after)))
    .orderBy(asc(users.username))
    .limit(limit)
}

/** @returns whether the user was not blocked before @throws {Problem} `limit-reached` */
export async function insertBlock(
  tx: Tx,
  session: ActiveSession,
  blockedId: string,
  max: number
): Promise<boolean> {
  const { userId } = session
  // Two blocks at once must not exceed the bound.
  await lockOwnAccount(tx, session)
  const [{ count, isBlocked }] = (await rows<{ count: number; isBlocked: boolean }>(
    tx,
    sql`
select count(*)::int as count, coalesce(bool_or(blocked_id = ${blockedId}::uuid), false) as "isBlocked"
from blocks where user_id = ${userId}::uuid`
  )) as [{ count: number; isBlocked: boolean }]
  if (isBlocked) return false
  if (count >= max)
    throw new Problem(
      'limit-reached',
      `You have blocked ${max} users, and no more are allowed. Unblocking one frees room.`
    )
  await tx.insert(blocks).values({ userId, blockedId })
  return true
}
