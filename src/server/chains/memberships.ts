import { and, eq, isNull } from 'drizzle-orm'
import { Problem } from '../http/problem.js'
import type { Db, Tx } from '../db/database.js'
import { conversations, memberships } from '../db/schema.js'

export type ConversationRow = typeof conversations.$inferSelect

/** A conversation that the user is in now. @throws {Problem} `conversation-not-found`, whether it exists or not */
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

/** The same, with the conversation's row locked until the transaction ends. */
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
  // A statement of its own, since it has to see what was committed while the lock was awaited.
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
