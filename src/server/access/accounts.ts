import { and, eq, isNull, ne, or, type SQL } from 'drizzle-orm'
import type { Tx } from '../db/database.js'
import { users } from '../db/schema.js'
import { Problem } from '../http/problem.js'

export type UserRow = typeof users.$inferSelect

/*
 * Locks of accounts. A transaction takes them before all others: users, then devices, then sessions.
 */

/**
 * Lock an account, so that it begins no session until the transaction ends.
 *
 * @returns null if there is none, or it is erased
 */
export async function lockAccount(tx: Tx, userId: string): Promise<UserRow | null> {
  const [user] = await tx.select().from(users).where(living(userId)).for('update')
  return user ?? null
}

/**
 * Keep an account from being erased or suspended, and its password as it is, until the transaction ends. All that begin
 * a session call it: so an erasure or a suspension ends each one.
 *
 * @returns the hash of the password
 * @throws {Problem} `invalid-credentials` if the account is erased; `suspended`
 */
export async function holdAccount(tx: Tx, userId: string): Promise<string | null> {
  const { passwordHash, suspendedAt } = users
  const wanted = { passwordHash, suspendedAt }
  const [user] = await tx.select(wanted).from(users).where(living(userId)).for('share')
  if (user === undefined) throw new Problem('invalid-credentials')
  if (user.suspendedAt !== null) throw new Problem('suspended')
  return user.passwordHash
}

/**
 * Lock an account, and all admins with it: of two who go at the same time, the second one sees that the first has gone.
 *
 * @param which the account
 * @returns the account, if there is one, and whether it is the last admin
 */
export async function lockWithAdmins(
  tx: Tx,
  which: SQL
): Promise<{ user: UserRow | undefined; isLastAdmin: boolean }> {
  const isAdmin = and(eq(users.role, 'admin'), isNull(users.suspendedAt), isNull(users.erasedAt))
  const [wanted] = await tx.select({ id: users.id }).from(users).where(which)
  const rows = await tx.select().from(users).where(or(which, isAdmin)).orderBy(users.id).for('update')
  const user = rows.find(({ id }) => id === wanted?.id)
  const isLastAdmin =
    user?.role === 'admin' && user.suspendedAt === null && user.erasedAt === null && rows.length === 1
  return { user, isLastAdmin }
}

/**
 * The last admin may go only if nobody else has an account.
 *
 * @throws {Problem} `last-server-admin`
 */
export async function requireOtherAdmin(tx: Tx, userId: string): Promise<void> {
  const { isLastAdmin } = await lockWithAdmins(tx, eq(users.id, userId))
  if (!isLastAdmin) return
  const others = await tx
    .select({ id: users.id })
    .from(users)
    .where(and(ne(users.id, userId), isNull(users.erasedAt)))
    .limit(1)
  if (others.length > 0) throw new Problem('last-server-admin')
}

const living = (userId: string) => and(eq(users.id, userId), isNull(users.erasedAt))
