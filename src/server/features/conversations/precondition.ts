import { sql } from 'drizzle-orm'
import type { FastifyRequest } from 'fastify'
import { UUID } from '../../../protocol/ids.js'
import { deviceSessionOf } from '../../access/auth.js'
import type { Db } from '../../db/database.js'
import { arrayOf, rows } from '../../db/rows.js'
import { readIfMatch } from '../../http/conditional.js'
import { Problem } from '../../http/problem.js'
import { staleChain } from './refusals.js'

const uuid = new RegExp(`^${UUID}$`)
/** Statements among which the client's head is looked for. */
const RECENT = 200

/**
 * Before the body of a change is read: the caller is or was a member, and `If-Match`, if there is one, names the
 * head of the chain.
 *
 * @throws {Problem} `conversation-not-found`, or `stale-chain` with the statements that the client lacks
 */
export async function requireHead(db: Db, request: FastifyRequest): Promise<void> {
  const { id } = request.params as { id: string }
  // The validation of the address comes later.
  if (!uuid.test(id)) return
  const { userId } = deviceSessionOf(request)
  const heads = readIfMatch(request.headers)
  const [chain] = await rows<{ id: string; head: string; sequence: number; isIn: boolean }>(
    db,
    sql`
select id, chain_head as head, chain_sequence as sequence,
  exists (select from memberships where conversation_id = c.id and user_id = ${userId}::uuid and left_at is null)
    as "isIn"
from conversations c
where id = ${id}::uuid
  and exists (select from memberships where conversation_id = c.id and user_id = ${userId}::uuid)`
  )
  if (chain === undefined) throw new Problem('conversation-not-found')
  if (!chain.isIn || heads === null || heads.includes(chain.head)) return
  const [known] = await rows<{ sequence: number }>(
    db,
    sql`
select sequence from (
  select sequence, hash from conversation_statements
  where conversation_id = ${id}::uuid order by sequence desc limit ${RECENT}::int
) s where hash = any (${arrayOf(heads)})`
  )
  throw await staleChain(db, chain, userId, known?.sequence ?? chain.sequence)
}
