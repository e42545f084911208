import { sql } from 'drizzle-orm'
import { alias } from 'drizzle-orm/pg-core'
import type { Db, Tx } from '../db/database.js'
import { eventRecipients, events, logHead, memberships } from '../db/schema.js'
import type { EventType } from './entry.js'

/** An event to append, and who sees it: members, users, a user's contacts, or only the server's processes. */
export interface NewEvent {
  type: EventType
  data: object
  to: { conversation: string } | { users: string[] } | { contactsOf: string } | 'processes'
}

/**
 * Take `count` dense positions. The counter row stays locked until the transaction ends, so the order of
 * positions is the order of commits. Lock everything else before it: users, then conversations, each in the
 * order of their ids.
 *
 * @returns the first of the positions
 */
async function takePositions(tx: Tx, count: number): Promise<number> {
  const [head] = await tx
    .update(logHead)
    .set({ last: sql`${logHead.last} + ${count}` })
    .returning({ last: logHead.last })
  return head!.last - count + 1
}

/** Append events in order within the transaction that makes them true. @returns their positions */
export async function appendEvents(tx: Tx, added: readonly NewEvent[]): Promise<number[]> {
  if (added.length === 0) return []
  const first = await takePositions(tx, added.length)
  const positions = added.map((_, index) => first + index)
  await tx.insert(events).values(
    added.map(({ type, data, to }, index) => ({
      position: positions[index]!,
      type,
      data,
      conversationId: typeof to === 'object' && 'conversation' in to ? to.conversation : null
    }))
  )
  // Read after the counter is locked: until then it can change who shares a conversation at this position.
  for (const [index, { to }] of added.entries()) {
    if (to === 'processes' || 'conversation' in to) continue
    const position = positions[index]!
    const users = 'users' in to ? to.users : await contactsOf(tx, to.contactsOf)
    if (users.length > 0)
      await tx.insert(eventRecipients).values(users.map((userId) => ({ userId, position })))
  }
  return positions
}

/** A user and everybody who shares a conversation with them now. */
async function contactsOf(tx: Tx, userId: string): Promise<string[]> {
  const mine = alias(memberships, 'mine')
  const shared = await tx
    .selectDistinct({ userId: memberships.userId })
    .from(mine)
    .innerJoin(memberships, sql`${memberships.conversationId} = ${mine.conversationId}`)
    .where(sql`${mine.userId} = ${userId} and ${mine.leftAt} is null and ${memberships.leftAt} is null`)
  return [...new Set([userId, ...shared.map((row) => row.userId)])]
}

/**
 * Run a transaction that appends events. On return this process has read them, and the others are notified.
 */
export async function transaction<T>(
  { db, log }: { db: Db; log: { changed: () => Promise<void> } },
  change: (tx: Tx) => Promise<T>
): Promise<T> {
  const result = await db.transaction(change)
  await log.changed()
  return result
}
