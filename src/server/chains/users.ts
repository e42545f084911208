import { eq } from 'drizzle-orm'
import type { Db } from '../db/database.js'
import { users } from '../db/schema.js'

export async function findUser(db: Db, username: string): Promise<typeof users.$inferSelect | null> {
  const [user] = await db.select().from(users).where(eq(users.username, username))
  return user ?? null
}

/** A user as the API shows them. */
export function userView(user: { id: string; username: string; createdAt: Date }) {
  return { id: user.id, username: user.username, createdAt: user.createdAt.toISOString() }
}
