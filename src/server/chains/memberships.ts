import { and, eq, isNull } from 'drizzle-orm'
import { Problem } from '../http/problem.js'
import type { Db } from '../db/database.js'
import { conversations, memberships } from '../db/schema.js'

export type ConversationRow = typeof conversations.$inferSelect

/**
 * A conversation of which the user is a member. @throws {Problem} `conversation-not-found`, even if it exists
 */
export async function requireMember(
  db: Db,
  conversationId: string,
  userId: string
): Promise<ConversationRow> {
  const [row] = await db
    .select({ conversation: conversations })
    .from(conversations)
    .innerJoin(
      memberships,
      and(
        eq(memberships.conversationId, conversations.id),
        eq(memberships.userId, userId),
        isNull(memberships.leftAt)
      )
    )
    .where(eq(conversations.id, conversationId))
  if (row === undefined) throw new Problem('conversation-not-found')
  return row.conversation
}
