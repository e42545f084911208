import { and, asc, desc, eq, gt, inArray, isNull, lt, sql } from 'drizzle-orm'
import type { Conversation } from '../../../protocol/conversations.js'
import type { SignedStatement } from '../../../protocol/schema.js'
import type { ConversationChain } from '../../../protocol/conversation-chain.js'
import type { Db } from '../../db/database.js'
import { conversationStatements, conversations, memberships, users } from '../../db/schema.js'
import type { ConversationRow } from '../../chains/memberships.js'

export interface MemberRow {
  conversationId: string
  userId: string
  username: string
  role: 'admin' | 'member'
  root: string
  joinedAt: number
  /** The user's root today. */
  currentRoot: string
}

/** The current members of conversations, in the order in which they joined. */
export function readMembers(db: Db, conversationIds: string[]): Promise<MemberRow[]> {
  return db
    .select({
      conversationId: memberships.conversationId,
      userId: users.id,
      username: users.username,
      role: memberships.role,
      root: memberships.root,
      joinedAt: memberships.joinedAt,
      currentRoot: users.root
    })
    .from(memberships)
    .innerJoin(users, eq(users.id, memberships.userId))
    .where(and(inArray(memberships.conversationId, conversationIds), isNull(memberships.leftAt)))
    .orderBy(asc(memberships.joinedAt), asc(users.username))
}

/** A conversation's chain, for the rules of the protocol. */
export function toChain(conversation: ConversationRow, members: readonly MemberRow[]): ConversationChain {
  return {
    kind: conversation.kind,
    sequence: conversation.chainSequence,
    head: conversation.chainHead,
    members: new Map(members.map(({ username, role, root }) => [username, { role, root }]))
  }
}

/** Statements of a conversation after `sequence`, in order. */
export function readStatements(
  db: Db,
  conversationId: string,
  sequence: number,
  limit: number
): Promise<(SignedStatement & { sequence: number })[]> {
  const { text, signatures, sequence: number } = conversationStatements
  return db
    .select({ text, signatures, sequence: number })
    .from(conversationStatements)
    .where(and(eq(conversationStatements.conversationId, conversationId), gt(number, sequence)))
    .orderBy(asc(number))
    .limit(limit)
}

const lastPosition = sql<string>`(
  select e.position from events e where e.conversation_id = ${conversations.id} order by e.position desc limit 1
)`

/**
 * A user's conversations, the last joined first: a page of those joined before a position, or the one with an
 * id.
 */
export async function readConversations(
  db: Db,
  userId: string,
  which: { before: number; limit: number } | { id: string }
): Promise<{ conversation: Conversation; joinedAt: number }[]> {
  const mine = and(eq(memberships.userId, userId), isNull(memberships.leftAt))
  const rows = await db
    .select({ conversation: conversations, joinedAt: memberships.joinedAt, lastPosition })
    .from(memberships)
    .innerJoin(conversations, eq(conversations.id, memberships.conversationId))
    .where(and(mine, 'id' in which ? eq(conversations.id, which.id) : lt(memberships.joinedAt, which.before)))
    .orderBy(desc(memberships.joinedAt))
    .limit('id' in which ? 1 : which.limit)
  if (rows.length === 0) return []
  const members = await readMembers(
    db,
    rows.map(({ conversation }) => conversation.id)
  )
  return rows.map(({ conversation, joinedAt, lastPosition: last }) => ({
    joinedAt,
    conversation: {
      id: conversation.id,
      kind: conversation.kind,
      head: conversation.chainHead,
      sequence: conversation.chainSequence,
      members: members
        .filter(({ conversationId }) => conversationId === conversation.id)
        .map(({ username, role, root, joinedAt: since }) => ({ username, role, root, joinedAt: since })),
      sessionKeyId: conversation.sessionKeyId,
      rekeyRequired: conversation.rekeyRequired,
      lastPosition: Number(last),
      createdAt: conversation.createdAt.toISOString()
    }
  }))
}
