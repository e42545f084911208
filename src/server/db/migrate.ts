import { sql } from 'drizzle-orm'
import { readMigrationFiles } from 'drizzle-orm/migrator'
import type { PgDatabase, PgQueryResultHKT } from 'drizzle-orm/pg-core'
import { rows } from './rows.js'

type AnyDb = PgDatabase<PgQueryResultHKT, Record<string, unknown>>

const readHashes = (folder: string) =>
  readMigrationFiles({ migrationsFolder: folder }).map(({ hash }) => hash)

/**
 * Before migrating: a database that was not made with the journal's first migration holds statements of a form
 * that nobody can verify any more.
 *
 * @throws {Error} if it is such a database
 */
export async function refuseOlderForm(db: AnyDb, folder: string): Promise<void> {
  const [table] = await rows<{ name: string | null }>(
    db,
    sql`select to_regclass('drizzle.__drizzle_migrations')::text as name`
  )
  if (table!.name === null) return
  const applied = await readApplied(db)
  if (applied.length > 0 && !applied.includes(readHashes(folder)[0]!))
    throw new Error(
      'The database holds statements of an older form of the protocol, which this version cannot verify. ' +
        'Start with an empty database.'
    )
}

async function readApplied(db: AnyDb): Promise<string[]> {
  const applied = await rows<{ hash: string }>(
    db,
    sql`select hash from drizzle.__drizzle_migrations order by id`
  )
  return applied.map(({ hash }) => hash)
}

/**
 * Compare the applied migrations with the journal. Drizzle's migrator silently skips a migration that is
 * older than the newest applied one, and does not notice a database that is ahead.
 *
 * @throws {Error} if they differ
 */
export async function checkApplied(db: AnyDb, folder: string): Promise<void> {
  const expected = new Set(readHashes(folder))
  const applied = new Set(await readApplied(db))
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
