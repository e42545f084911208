import { and, between, eq, sql } from 'drizzle-orm'
import type { ChainReceipt } from '../../../protocol/conversations.js'
import type { DeviceSession } from '../../access/auth.js'
import type { Db } from '../../db/database.js'
import { conversationStatements, memberships } from '../../db/schema.js'
import type { ParsedRequest } from './request.js'

/** The receipt of a request that stands in the chain, for users who are or were in. Null if it does not. */
export async function findReceipt(
  db: Db,
  { userId }: DeviceSession,
  { conversationId, links }: ParsedRequest
): Promise<ChainReceipt | null> {
  const hashes = new Map(links.map(({ statement, hash }) => [statement.sequence, hash]))
  const [first, last] = [links[0]!, links.at(-1)!]
  const stored = await db
    .select({
      sequence: conversationStatements.sequence,
      hash: conversationStatements.hash,
      position: conversationStatements.position
    })
    .from(conversationStatements)
    .where(
      and(
        eq(conversationStatements.conversationId, conversationId),
        between(conversationStatements.sequence, first.statement.sequence, last.statement.sequence),
        sql`exists (select from ${memberships} where ${memberships.conversationId} = ${conversationId}
          and ${memberships.userId} = ${userId})`
      )
    )
    .orderBy(conversationStatements.sequence)
    .limit(links.length)
  const stands =
    stored.length === links.length && stored.every(({ sequence, hash }) => hashes.get(sequence) === hash)
  if (!stands) return null
  return { head: last.hash, sequence: last.statement.sequence, lastPosition: stored.at(-1)!.position }
}
