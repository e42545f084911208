import { and, eq, inArray } from 'drizzle-orm'
import type { Db } from '../../db/database.js'
import { keyBackups } from '../../db/schema.js'

export async function findKeyBackup(db: Db, userId: string) {
  const [backup] = await db.select().from(keyBackups).where(eq(keyBackups.userId, userId))
  return backup
}

/** Store a user's first backup. @returns false if there is one */
export async function insertKeyBackup(db: Db, row: typeof keyBackups.$inferInsert): Promise<boolean> {
  const inserted = await db
    .insert(keyBackups)
    .values(row)
    .onConflictDoNothing({ target: keyBackups.userId })
    .returning({ etag: keyBackups.etag })
  return inserted.length > 0
}

/** Replace a backup that has one of these tags. @returns false if there is none */
export async function replaceKeyBackup(
  db: Db,
  { userId, ...content }: typeof keyBackups.$inferInsert,
  etags: readonly string[]
): Promise<boolean> {
  const replaced = await db
    .update(keyBackups)
    .set(content)
    .where(and(eq(keyBackups.userId, userId), inArray(keyBackups.etag, [...etags])))
    .returning({ etag: keyBackups.etag })
  return replaced.length > 0
}

/** Delete a backup that has one of these tags. @returns false if there is none */
export async function deleteKeyBackup(db: Db, userId: string, etags: readonly string[]): Promise<boolean> {
  const deleted = await db
    .delete(keyBackups)
    .where(and(eq(keyBackups.userId, userId), inArray(keyBackups.etag, [...etags])))
    .returning({ etag: keyBackups.etag })
  return deleted.length > 0
}

/** The tag of the stored backup, if there is one. */
export async function findEtag(db: Db, userId: string): Promise<string | undefined> {
  const [backup] = await db
    .select({ etag: keyBackups.etag })
    .from(keyBackups)
    .where(eq(keyBackups.userId, userId))
  return backup?.etag
}
