import { and, eq, sql } from 'drizzle-orm'
import type { PgColumn, PgTable } from 'drizzle-orm/pg-core'
import { lockUserChains } from '../chains/user-chain-lock.js'
import type { Tx } from '../db/database.js'
import {
  audit,
  blocks,
  devices,
  invites,
  inviteUses,
  keyBackups,
  passwordResets,
  sessions,
  users
} from '../db/schema.js'
import type { NewEvent } from '../log/append-events.js'
import { lockAccount } from './accounts.js'
import { endSessions } from './sessions.js'

/** Rows that belong to one user, and go with them. */
const OWN_ROWS: readonly (readonly [PgTable, PgColumn])[] = [
  [keyBackups, keyBackups.userId],
  [passwordResets, passwordResets.userId],
  [blocks, blocks.userId],
  [blocks, blocks.blockedId],
  [invites, invites.createdBy],
  [inviteUses, inviteUses.userId]
]

/**
 * Erase a user: what stays is the name, which nobody gets again, the chain and its public keys, so that others go on
 * verifying, and what belongs to the conversations that others are in. Statements that revoke the devices are applied
 * before, if there are any; without them the devices stay in the rosters, and their wraps are not stored.
 *
 * Everybody waits for the lock of the user chains. So what grows with the conversations goes afterwards, in pieces
 * (`ErasedRows`): only the user could read it. Until it has gone, the account counts as suspended.
 *
 * @returns the events to append; none if the user is erased already
 */
export async function eraseUser(tx: Tx, userId: string): Promise<NewEvent[]> {
  const user = await lockAccount(tx, userId)
  if (user === null) return []
  await lockUserChains(tx)
  const account = { passwordHash: null, role: 'member', contactPolicy: 'nobody' } as const
  const now = sql`now()`
  await tx
    .update(users)
    .set({ ...account, erasedAt: now, suspendedAt: now })
    .where(eq(users.id, userId))
  const ended = await endSessions(tx, eq(sessions.userId, userId))
  await deleteOwnRows(tx, userId)
  await eraseDevices(tx, userId)
  await forgetAudited(tx, userId)
  const data = { userId, username: user.username }
  return [...ended, { type: 'user.deleted', data, to: { contactsOf: userId } }]
}

export async function deleteOwnRows(tx: Tx, userId: string): Promise<void> {
  for (const [table, owner] of OWN_ROWS) await tx.delete(table).where(eq(owner, userId))
}

/** The public keys stay. */
async function eraseDevices(tx: Tx, userId: string): Promise<void> {
  await tx.delete(devices).where(and(eq(devices.userId, userId), eq(devices.status, 'pending')))
  await tx.update(devices).set({ name: '', seenAt: null, request: null }).where(eq(devices.userId, userId))
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
