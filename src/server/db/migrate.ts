import { fileURLToPath } from 'node:url'
import { sql } from 'drizzle-orm'
import { readMigrationFiles } from 'drizzle-orm/migrator'
import type { PgDatabase, PgQueryResultHKT } from 'drizzle-orm/pg-core'

/** The folder of the generated migrations: at the top of the package, seen from the built file. */
export const MIGRATIONS_FOLDER = fileURLToPath(new URL('../../../../drizzle', import.meta.url))

/**
 * Compare the applied migrations with the journal. Drizzle's migrator silently skips a migration that is
 * older than the newest applied one, and does not notice a database that is ahead.
 *
 * @throws {Error} if they differ
 */
export async function checkApplied(
  db: PgDatabase<PgQueryResultHKT, Record<string, unknown>>,
  folder: string
): Promise<void> {
  const expected = new Set(readMigrationFiles({ migrationsFolder: folder }).map(({ hash }) => hash))
  const result: unknown = await db.execute(sql`select hash from drizzle.__drizzle_migrations`)
  const { rows } = result as { rows: { hash: string }[] }
  const applied = new Set(rows.map(({ hash }) => hash))
  const missing = [...expected].filter((hash) => !applied.has(hash)).length
  const unknown = [...applied].filter((hash) => !expected.has(hash)).length
  if (missing > 0)
    throw new Error(
      `The database lacks ${missing} migration(s) that are older than its newest: it was migrated by another branch.`
    )
  if (unknown > 0)
    throw new Error(
      `The database has ${unknown} migration(s) that this version does not know: run the newer version of the server.`
    )
}
