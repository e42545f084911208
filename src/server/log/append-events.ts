import { sql, type SQL } from 'drizzle-orm'
import type { Db, Tx } from '../db/database.js'
import { arrayOf, rows } from '../db/rows.js'
import { asNumber, type EventType } from './entry.js'

/** An event to append, and who sees it: members, users, a user's contacts, or only the server's processes. */
export interface NewEvent {
  type: EventType
  data: object
  to: { conversation: string } | { users: readonly string[] } | { contactsOf: string } | 'processes'
  /** Ids of the users whom the event adds to the conversation. */
  added?: readonly string[]
  /** Ids of the users whom it removes. */
  removed?: readonly string[]
}

/**
 * Append events in order within the transaction that makes them true. Their positions are dense. The counter
 * row stays locked from here until the transaction ends, so the order of positions is the order of commits.
 * Lock everything else before: user chains, then conversations in the order of their ids. Write everything
 * else before, too: while the counter is locked, nobody can append.
 *
 * @param also writes that need the position: further parts of a `with` list, in which `head.first` is the
 *   first position. A transaction that changes the same rows and then appends locks their conversation first
 * @returns the positions
 */
export async function appendEvents(tx: Tx, added: readonly NewEvent[], also?: SQL): Promise<number[]> {
  if (added.length === 0) return []
  const recipients = await recipientsOf(tx, added)
  const count = added.length
  const events = added.map(({ type, data, to, ...members }, n) => ({
    n,
    type,
    data,
    conversation_id: typeof to === 'object' && 'conversation' in to ? to.conversation : null,
    ...members
  }))
  const [head] = await rows<{ first: number }>(
    tx,
    sql`
with head as (
  update log_head set last = last + ${count}::int returning last - ${count}::int + 1 as first
),
event as (
  insert into events (position, type, conversation_id, data, added_users, removed_users)
  select head.first + e.n, e.type, e.conversation_id, e.data, e.added, e.removed
  from head, json_to_recordset(${JSON.stringify(events)}::json)
    as e(n int, type text, conversation_id uuid, data json, added uuid[], removed uuid[])
),
recipient as (
  insert into event_recipients (user_id, position)
  select r.user_id, head.first + r.n
  from head, unnest(${arrayOf(recipients.map(({ userId }) => userId))}::uuid[],
                    ${arrayOf(recipients.map(({ n }) => n))}::int[]) as r(user_id, n)
)${also === undefined ? sql.empty() : sql`, ${also}`}
select ${sql.raw(asNumber('first'))} as first from head`
  )
  return added.map((_, n) => head!.first + n)
}

/** The users who see events of no conversation, with the event's place in the list. */
async function recipientsOf(tx: Tx, added: readonly NewEvent[]): Promise<{ userId: string; n: number }[]> {
  const found: { userId: string; n: number }[] = []
  for (const [n, { to }] of added.entries()) {
    if (to === 'processes' || 'conversation' in to) continue
    const userIds = 'users' in to ? to.users : await contactsOf(tx, to.contactsOf)
    for (const userId of userIds) found.push({ userId, n })
  }
  return found
}

/**
 * A user and everybody who shares a conversation with them, without erased users. The transaction has locked user
 * chains, so this does not change before it commits.
 */
async function contactsOf(tx: Tx, userId: string): Promise<string[]> {
  const shared = await rows<{ userId: string }>(
    tx,
    sql`
select id as "userId" from users where erased_at is null and (id = ${userId}::uuid or id in (
  select other.user_id
  from memberships mine join memberships other on other.conversation_id = mine.conversation_id
  where mine.user_id = ${userId}::uuid and mine.left_at is null and other.left_at is null))`
  )
  return shared.map((row) => row.userId)
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
