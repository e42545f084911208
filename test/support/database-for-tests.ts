import { readConfig } from '../../src/server/config.js'
import { MIGRATIONS_FOLDER } from '../../src/server/files.js'
import { openDatabase } from '../../src/server/db/open.js'
import { createLogger } from '../../src/server/logger.js'
import { copyEmptyDatabase } from './empty-database.js'
import { findPostgres } from './postgres.js'
import type { Scope } from './server-process.js'

/** The database of servers that run in the process of their test, which all tests must hold with: `embedded` or `postgres`. */
const KIND = process.env['TEST_DATABASE'] ?? 'embedded'

/** Ends when nothing else is to be done in this process. */
const wholeProcess: Scope = { teardown: (end) => void process.once('beforeExit', end) }

/** Makes copies of an empty database on a PostgreSQL of this process. */
async function startCopying(): Promise<() => Promise<string>> {
  const postgres = await findPostgres(wholeProcess, { unref: true })
  if (typeof postgres === 'string') throw new Error(postgres)
  const template = postgres.url
  const database = await openDatabase(readConfig({ DATABASE_URL: template }).database, createLogger('fatal'))
  await database.migrate(MIGRATIONS_FOLDER)
  await database.close()
  return () => postgres.newDatabase(template)
}

let copying: ReturnType<typeof startCopying> | undefined

/** In the environment of a server: its database is embedded, and has the clocks and timers of the test. */
export const EMBEDDED = { DATABASE_URL: '' }

/**
 * An empty database for one server: on PostgreSQL, or embedded in its data directory.
 *
 * @param given the server's environment, as far as the test says it
 * @returns what its environment says about the database
 */
export async function emptyDatabase(
  dataDir: string,
  given: Readonly<Record<string, string>>
): Promise<{ DATABASE_URL?: string }> {
  const { DATABASE_URL } = given
  if (DATABASE_URL) return { DATABASE_URL }
  if (KIND === 'postgres' && DATABASE_URL === undefined) {
    const copy = await (copying ??= startCopying())
    return { DATABASE_URL: await copy() }
  }
  await copyEmptyDatabase(dataDir)
  return {}
}
