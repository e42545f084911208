import { and, eq, isNull } from 'drizzle-orm'
import { Problem } from '../http/problem.js'
import type { Db, Tx } from '../db/database.js'
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
    .innerJoin(memberships, currentMembership(userId))
    .where(eq(conversations.id, conversationId))
  if (row === undefined) throw new Problem('conversation-not-found')
  return row.conversation
}

/** The same as `requireMember`, with the conversation's row locked until the transaction ends. */
export async function lockConversation(
  tx: Tx,
  conversationId: string,
  userId: string
): Promise<ConversationRow> {
  const [row] = await tx
    .select()
    .from(conversations)
    .where(eq(conversations.id, conversationId))
    .for('no key update')
  if (row === undefined) throw new Problem('conversation-not-found')
  // A query of its own: it must see what was committed while this one waited for the lock.
  await requireMember(tx, conversationId, userId)
  return row
}

function currentMembership(userId: string) {
  return and(
    eq(memberships.conversationId, conversations.id),
    eq(memberships.userId, userId),
    isNull(memberships.leftAt)
  )
}
