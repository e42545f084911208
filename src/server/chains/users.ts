import { eq, sql, type SQL } from 'drizzle-orm'
import type { ServerRole, User } from '../../protocol/accounts.js'
import type { Db } from '../db/database.js'
import { users } from '../db/schema.js'

export async function findUser(db: Db, username: string): Promise<typeof users.$inferSelect | null> {
  const [user] = await db.select().from(users).where(eq(users.username, username))
  return user ?? null
}

type ShownUser = Pick<typeof users.$inferSelect, 'id' | 'username' | 'kind' | 'createdAt'>

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
export function ownAccount(user: typeof users.$inferSelect) {
  return { user: ownUserView(user), settings: { contactPolicy: user.contactPolicy } }
}
