import { and, asc, eq, isNull, or } from 'drizzle-orm'
import { findUser } from '../../chains/users.js'
import type { Db, Tx } from '../../db/database.js'
import { users } from '../../db/schema.js'
import { Problem } from '../../http/problem.js'

export type UserRow = typeof users.$inferSelect

/** @throws {Problem} `user-not-found` */
export async function requireUser(db: Db, name: string): Promise<UserRow> {
  const username = name.toLowerCase()
  return (await findUser(db, username)) ?? notFound(username)
}

/**
 * Lock an account, and all admins with it: of two who go at the same time, the second one sees that the first has gone.
 *
 * @returns the account, and whether the server has another admin
 * @throws {Problem} `user-not-found`, also for an erased account
 */
export async function lockUser(
  tx: Tx,
  name: string
): Promise<{ user: UserRow; requireOtherAdmin: () => void }> {
  const username = name.toLowerCase()
  const isAdmin = and(eq(users.role, 'admin'), isNull(users.suspendedAt), isNull(users.erasedAt))
  const rows = await tx
    .select()
    .from(users)
    .where(or(eq(users.username, username), isAdmin))
    .orderBy(asc(users.id))
    .for('no key update')
  const user = rows.find((row) => row.username === username) ?? notFound(username)
  if (user.erasedAt !== null)
    throw new Problem('user-not-found', `The account ${username} is erased. Nothing can be changed.`)
  const isLast = user.role === 'admin' && user.suspendedAt === null && rows.length === 1
  return {
    user,
    requireOtherAdmin() {
      if (isLast) throw new Problem('last-server-admin')
    }
  }
}

function notFound(username: string): never {
  throw new Problem('user-not-found', `There is no user ${username}.`)
}
