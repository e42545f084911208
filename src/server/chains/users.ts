import { and, asc, eq, gt, isNull, like, sql, type SQL } from 'drizzle-orm'
import type { ServerRole, User } from '../../protocol/accounts.js'
import type { Db } from '../db/database.js'
import { users } from '../db/schema.js'
import { Problem } from '../http/problem.js'

export type UserRow = typeof users.$inferSelect

export async function findUser(db: Db, username: string): Promise<UserRow | null> {
  const [user] = await db.select().from(users).where(eq(users.username, username))
  return user ?? null
}

/** @param input a username in any case @throws {Problem} `user-not-found` */
export async function requireUser(db: Db, input: string): Promise<UserRow> {
  const username = input.toLowerCase()
  return (await findUser(db, username)) ?? userNotFound(username)
}

export function userNotFound(username: string): never {
  throw new Problem('user-not-found', `There is no user ${username}.`)
}

/** Users whose names begin so, in the order of their names, after one of them. */
export function usersByPrefix(
  db: Db,
  prefix: string,
  { after, limit, withErased }: { after: string; limit: number; withErased: boolean }
): Promise<UserRow[]> {
  const pattern = `${prefix.toLowerCase().replaceAll(/[\\%_]/g, '\\$&')}%`
  const isShown = withErased ? undefined : isNull(users.erasedAt)
  return db
    .select()
    .from(users)
    .where(and(like(users.username, pattern), gt(users.username, after), isShown))
    .orderBy(asc(users.username))
    .limit(limit)
}

type ShownUser = Pick<UserRow, 'id' | 'username' | 'kind' | 'createdAt'>

/** A user as the API shows them. */
export function userView({ id, username, kind, createdAt }: ShownUser): User {
  return { id, username, kind, createdAt: createdAt.toISOString() }
}

/** A user as the API shows them to themselves. */
export function ownUserView(user: ShownUser & { role: ServerRole }): User {
  return { ...userView(user), role: user.role }
}

/** SQL: a username with look-alike characters replaced, as in the column `skeleton`. */
export function skeletonOf(username: string): SQL {
  return sql`replace(translate(${username}::text, '01', 'ol'), 'm', 'rn')`
}

/** A user's account, with what only the user sees. */
export function ownAccount(user: UserRow) {
  return { user: ownUserView(user), settings: { contactPolicy: user.contactPolicy } }
}
