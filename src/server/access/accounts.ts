import { and, eq, isNull, ne, sql, type SQL } from 'drizzle-orm'
import type { UserRow } from '../chains/users.js'
import type { Tx } from '../db/database.js'
import { sessions, users } from '../db/schema.js'
import { Problem } from '../http/problem.js'
import type { ActiveSession } from './sessions.js'

/*
 * Locks of accounts. A transaction takes them before all others: that of the admins, then users, then devices, then
 * sessions. A row of `users` is locked FOR NO KEY UPDATE and no stronger, so that foreign keys to it wait for nobody.
 */

/** The advisory lock of the set of admins: an arbitrary constant of this program. */
const ADMINS = 7_236_418_206

/**
 * Lock an account, so that it begins no session until the transaction ends.
 *
 * @returns null if there is none, or it is erased
 */
export async function lockAccount(tx: Tx, userId: string): Promise<UserRow | null> {
  const [user] = await tx.select().from(users).where(living(userId)).for('no key update')
  return user ?? null
}

/**
 * Keep an account from being erased or suspended, and its password as it is, until the transaction ends. All that begin
 * a session call it: so an erasure or a suspension ends each one, and they come one after the other, which is how they
 * are counted.
 *
 * @returns the hash of the password
 * @throws {Problem} `invalid-credentials` if the account is erased; `suspended`
 */
export async function holdAccount(tx: Tx, userId: string): Promise<string | null> {
  const { passwordHash, suspendedAt } = users
  const wanted = { passwordHash, suspendedAt }
  const [user] = await tx.select(wanted).from(users).where(living(userId)).for('no key update')
  if (user === undefined) throw new Problem('invalid-credentials')
  if (user.suspendedAt !== null) throw new Problem('suspended')
  return user.passwordHash
}

/**
 * Lock the account of whoever asks. All that a session does to its own account calls it: the call may have waited, for
 * its turn or for a lock, and the session may have ended meanwhile.
 *
 * @throws {Problem} `session-ended`
 */
export async function lockOwnAccount(
  tx: Tx,
  { id, userId }: Pick<ActiveSession, 'id' | 'userId'>
): Promise<UserRow> {
  const user = await lockAccount(tx, userId)
  // A statement of its own, which sees what was committed before the lock was got.
  const found = await tx.select({ id: sessions.id }).from(sessions).where(eq(sessions.id, id))
  if (user === null || found.length === 0) throw new Problem('session-ended')
  return user
}

/**
 * Lock an account, and the set of admins with it: of two who go at the same time, the second one sees that the first
 * has gone.
 *
 * @param which the account
 * @returns the account, if there is one, and whether it is the last admin
 */
export async function lockWithAdmins(
  tx: Tx,
  which: SQL
): Promise<{ user: UserRow | undefined; isLastAdmin: boolean }> {
  await tx.execute(sql`select pg_advisory_xact_lock(${ADMINS}::bigint)`)
  const [user] = await tx.select().from(users).where(which).for('no key update')
  if (user === undefined || !isAdmin(user)) return { user, isLastAdmin: false }
  const isOther = and(ne(users.id, user.id), isAdminNow)
  const others = await tx.select({ id: users.id }).from(users).where(isOther).limit(1)
  return { user, isLastAdmin: others.length === 0 }
}

/** Keep all admins as they are until the transaction ends. Many hold them at the same time. */
export async function holdAdmins(tx: Tx): Promise<void> {
  await tx.execute(sql`select pg_advisory_xact_lock_shared(${ADMINS}::bigint)`)
}

/** SQL: whether a user is an admin who can act. */
export const isAdminNow = and(eq(users.role, 'admin'), isNull(users.suspendedAt), isNull(users.erasedAt))

const isAdmin = ({ role, suspendedAt, erasedAt }: UserRow) =>
  role === 'admin' && suspendedAt === null && erasedAt === null

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
