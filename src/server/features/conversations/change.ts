import { and, eq, isNull } from 'drizzle-orm'
import { extendConversationChain, type ConversationChain } from '../../../protocol/conversation-chain.js'
import { Problem } from '../../http/problem.js'
import { RuleViolation } from '../../../protocol/rule-violation.js'
import type { SignedStatement } from '../../../protocol/schema.js'
import { parseStatement, type Statement } from '../../../protocol/statements.js'
import { lockUsers, requireSigningDevice } from '../../chains/signing-device.js'
import type { DeviceSession } from '../../access/auth.js'
import type { Tx } from '../../db/database.js'
import { conversationStatements, conversations, memberships } from '../../db/schema.js'
import { requireLine } from '../../chains/user-chain-store.js'
import { sha256Hex } from '../../chains/public-keys.js'
import { appendEvents } from '../../log/append-events.js'
import { lockConversation } from '../../chains/memberships.js'
import { readMembers, readStatements, toChain } from './queries.js'

const CHANGES = [
  'conversation-add',
  'conversation-remove',
  'conversation-role',
  'conversation-leave'
] as const
type Change = Statement<(typeof CHANGES)[number]>

/** Most statements in a `stale-chain` problem. */
const NEWER = 200

/** Apply a membership statement. A retry of one that is already in the chain changes nothing. */
export async function changeConversation(
  tx: Tx,
  session: DeviceSession,
  conversationId: string,
  signed: SignedStatement
): Promise<{ head: string; sequence: number }> {
  const statement = parseStatement(signed.text, CHANGES)
  requireLine('conversation', statement.conversation, conversationId)
  const named = 'member' in statement ? [statement.member.username] : []
  const locked = await lockUsers(tx, [session.username, ...named])
  const link = { head: sha256Hex(signed.text), sequence: statement.sequence }
  if (await isRetry(tx, session, conversationId, statement, signed.text)) return link
  const conversation = await lockConversation(tx, conversationId, session.userId)
  // The first try may have committed while this one waited for the lock.
  if (await isRetry(tx, session, conversationId, statement, signed.text)) return link
  await requireSigningDevice(tx, session, statement.by, signed)

  const rows = await readMembers(tx, [conversationId])
  const chain = toChain(conversation, rows)
  const actor = rows.find(({ userId }) => userId === session.userId)!
  // An identity that the chain does not know cannot sign for it, not even to leave.
  if (actor.root !== actor.currentRoot) throw new Problem('not-in-roster')
  const roots = new Map(rows.map(({ username, currentRoot }) => [username, currentRoot]))
  for (const [username, { root }] of locked) roots.set(username, root)
  const next = await extended(tx, conversationId, chain, statement, signed.text, session.username, roots)

  await tx
    .update(conversations)
    .set({
      chainSequence: next.sequence,
      chainHead: next.head,
      ...(statement.kind !== 'conversation-role' && { rekeyRequired: true })
    })
    .where(eq(conversations.id, conversationId))
  const { text, signatures } = signed
  await tx
    .insert(conversationStatements)
    .values({ conversationId, sequence: next.sequence, text, signatures })
  const [position] = await appendEvents(tx, [
    {
      type: 'conversation.chain',
      data: { conversationId, sequence: next.sequence, statement: signed },
      to: { conversation: conversationId }
    }
  ])
  const userIds = new Map(rows.map(({ username, userId }) => [username, userId]))
  for (const [username, { id }] of locked) userIds.set(username, id)
  await writeMembership(tx, conversationId, statement, session, userIds, position!)
  return { head: next.head, sequence: next.sequence }
}

/** Whether the chain holds the statement, and the caller is or was a member, who may know that. */
async function isRetry(
  tx: Tx,
  session: DeviceSession,
  conversationId: string,
  statement: Change,
  text: string
): Promise<boolean> {
  const [stored] = await readStatements(tx, conversationId, statement.sequence - 1, 1)
  if (stored?.text !== text) return false
  const [was] = await tx
    .select({ joinedAt: memberships.joinedAt })
    .from(memberships)
    .where(and(eq(memberships.conversationId, conversationId), eq(memberships.userId, session.userId)))
    .limit(1)
  return was !== undefined
}

async function extended(
  tx: Tx,
  conversationId: string,
  chain: ConversationChain,
  statement: Change,
  text: string,
  actor: string,
  roots: ReadonlyMap<string, string>
): Promise<ConversationChain> {
  try {
    return extendConversationChain(chain, statement, sha256Hex(text), actor, roots)
  } catch (error) {
    if (!(error instanceof RuleViolation) || error.code !== 'stale-chain') throw error
    const newer = await readStatements(
      tx,
      conversationId,
      Math.min(statement.sequence, chain.sequence) - 1,
      NEWER
    )
    const statements = newer.map(({ text: stored, signatures }) => ({ text: stored, signatures }))
    throw new Problem('stale-chain', undefined, { head: chain.head, sequence: chain.sequence, statements })
  }
}

async function writeMembership(
  tx: Tx,
  conversationId: string,
  statement: Change,
  session: DeviceSession,
  userIds: ReadonlyMap<string, string>,
  position: number
): Promise<void> {
  const current = (userId: string) =>
    and(
      eq(memberships.conversationId, conversationId),
      eq(memberships.userId, userId),
      isNull(memberships.leftAt)
    )
  if (statement.kind === 'conversation-leave' || statement.kind === 'conversation-remove') {
    const userId = statement.kind === 'conversation-leave' ? session.userId : userIds.get(statement.username)!
    await tx.update(memberships).set({ leftAt: position }).where(current(userId))
    return
  }
  const { username, role, root } = statement.member
  const userId = userIds.get(username)!
  const replaced = await tx.update(memberships).set({ role, root }).where(current(userId)).returning()
  if (replaced.length === 0)
    await tx.insert(memberships).values({ conversationId, userId, joinedAt: position, role, root })
}
