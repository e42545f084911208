import { and, eq, isNotNull, sql, type SQL } from 'drizzle-orm'
import type { PgColumn, PgTable } from 'drizzle-orm/pg-core'
import { lockUserChains } from '../chains/user-chain-lock.js'
import type { Db, Tx } from '../db/database.js'
import { arrayOf, rows } from '../db/rows.js'
import {
  audit,
  blocks,
  devices,
  eventRecipients,
  invites,
  inviteUses,
  keyBackups,
  memberships,
  passwordResets,
  presence,
  sessions,
  users
} from '../db/schema.js'
import type { NewEvent } from '../log/append-events.js'
import { eraseEvents } from '../log/erase-events.js'
import { lockAccount } from './accounts.js'
import { endSessions } from './sessions.js'

/** Rows that belong to one user, and go with them. */
const OWN_ROWS: readonly (readonly [PgTable, PgColumn])[] = [
  [keyBackups, keyBackups.userId],
  [passwordResets, passwordResets.userId],
  [blocks, blocks.userId],
  [blocks, blocks.blockedId],
  [invites, invites.createdBy],
  [inviteUses, inviteUses.userId],
  [eventRecipients, eventRecipients.userId]
]

/** Rows that one statement deletes. */
const AT_ONCE = 5000

/**
 * Erase a user: what stays is the name, which nobody gets again, the chain and its public keys, so that others go on
 * verifying, and what belongs to the conversations that others are in. Statements that revoke the devices are applied
 * before, if there are any; without them the devices stay in the rosters, and their wraps are not stored.
 *
 * @returns the events to append; none if the user is erased already
 */
export async function eraseUser(tx: Tx, userId: string): Promise<NewEvent[]> {
  const user = await lockAccount(tx, userId)
  if (user === null) return []
  await lockUserChains(tx)
  const contactPolicy = 'nobody'
  const account = { passwordHash: null, role: 'member', suspendedAt: null, contactPolicy } as const
  await tx
    .update(users)
    .set({ ...account, erasedAt: sql`now()` })
    .where(eq(users.id, userId))
  const ended = await endSessions(tx, eq(sessions.userId, userId))
  await eraseLonelyConversations(tx, userId)
  await eraseEvents(
    tx,
    sql`e.type in ('device.requested', 'session-key.shared') and e.position in (
      select r.position from event_recipients r where r.user_id = ${userId}::uuid)`
  )
  await deleteOwnRows(tx, userId)
  await eraseDevices(tx, userId)
  await forgetAudited(tx, userId)
  const data = { userId, username: user.username }
  return [...ended, { type: 'user.deleted', data, to: { contactsOf: userId } }]
}

/**
 * Delete what requests and streams that were under way have written after an erasure: a minute later there are none
 * any more. Presence is told to others before its rows go.
 */
export async function sweepErased(db: Db): Promise<void> {
  const found = await db
    .select({ id: users.id })
    .from(users)
    .where(sql`${users.erasedAt} between now() - interval '1 hour' and now() - interval '1 minute'`)
  for (const { id } of found) {
    await deleteOwnRows(db, id)
    await db.delete(presence).where(and(eq(presence.userId, id), eq(presence.online, false)))
  }
}

async function deleteOwnRows(db: Db, userId: string): Promise<void> {
  for (const [table, owner] of OWN_ROWS) await db.delete(table).where(eq(owner, userId))
  await db.delete(memberships).where(and(eq(memberships.userId, userId), isNotNull(memberships.leftAt)))
}

/** Erase the conversations in which nobody is left who has an account. */
async function eraseLonelyConversations(tx: Tx, userId: string): Promise<void> {
  const lonely = await rows<{ id: string }>(
    tx,
    sql`
select c.id from memberships mine join conversations c on c.id = mine.conversation_id
where mine.user_id = ${userId}::uuid and mine.left_at is null and not exists (
  select from memberships m join users u on u.id = m.user_id
  where m.conversation_id = c.id and m.left_at is null and u.erased_at is null)
order by c.id for update of c`
  )
  if (lonely.length === 0) return
  const ids = sql`${arrayOf(lonely.map(({ id }) => id))}::uuid[]`
  await eraseEvents(tx, sql`e.conversation_id = any (${ids})`)
  await tx.execute(sql`delete from conversations where id = any (${ids})`)
  await tx.execute(sql`delete from memberships where conversation_id = any (${ids})`)
}

/** The public keys stay. */
async function eraseDevices(tx: Tx, userId: string): Promise<void> {
  for (const table of ['session_key_wraps', 'added_wraps'].map((name) => sql.raw(name)))
    while ((await deleteWraps(tx, table, userId)) === AT_ONCE);
  await tx.delete(devices).where(and(eq(devices.userId, userId), eq(devices.status, 'pending')))
  await tx.update(devices).set({ name: '', seenAt: null, request: null }).where(eq(devices.userId, userId))
}

/** @returns how many */
async function deleteWraps(tx: Tx, table: SQL, userId: string): Promise<number> {
  const deleted = await rows(
    tx,
    sql`
delete from ${table} where ctid = any (array(
  select w.ctid from devices d join ${table} w on w.device_id = d.id
  where d.user_id = ${userId}::uuid limit ${AT_ONCE}::int))
returning 1`
  )
  return deleted.length
}

/** That something was done stays, and what and from where goes. An address is the actor's. */
async function forgetAudited(tx: Tx, userId: string): Promise<void> {
  const [isActor, isSubject] = [eq(audit.actor, userId), eq(audit.subject, userId)]
  await tx
    .update(audit)
    .set({ details: null, detailsSalt: null })
    .where(sql`${isActor} or ${isSubject}`)
  await tx.update(audit).set({ address: null, addressSalt: null }).where(isActor)
}
