import { statSync } from 'node:fs'
import { join } from 'node:path'
import { drizzle } from 'drizzle-orm/pglite'
import { migrate } from 'drizzle-orm/pglite/migrator'
import { lockDataDir } from './data-dir-lock.js'
import { Failures } from './failures.js'
import { KEEP_TO_INDEXES, preparedBy } from './prepared.js'
import type { Database } from './database.js'
import type { Logger } from '../logger.js'
import { checkApplied, refuseOlderForm } from './migrate.js'
import { openPglite } from './pglite.js'

/** PGlite in the data directory, which is then locked for other processes. */
export async function openEmbedded(dataDir: string, logger: Logger): Promise<Database> {
  const lock = await lockDataDir(dataDir)
  const pglite = await openPglite(dataDir).catch(async (error: unknown) => {
    await lock.release()
    throw error
  })
  await pglite.exec(KEEP_TO_INDEXES)
  const db = drizzle(pglite)
  const requireWritable = async () => void (await pglite.query('select 1'))
  const failures = new Failures(requireWritable, logger)
  return {
    kind: 'embedded',
    db,
    prepared: preparedBy(pglite),
    async migrate(folder) {
      await refuseOlderForm(db, folder)
      await migrate(db, { migrationsFolder: folder })
      await checkApplied(db, folder)
    },
    // A restored copy is in another folder, by inode or time of birth, than the one in which the log was
    // written.
    origin: () => {
      const { ino, birthtimeMs } = statSync(join(dataDir, 'pgdata'))
      return Promise.resolve(`${ino}/${Math.round(birthtimeMs)}`)
    },
    async maintain() {
      // Without a vacuum, the space of rows that changed or went is never used again. It reads what changed since the last
      // one, and a sample of the rest for the planner. Between two tables, the catalogs too, the process serves others.
      const { rows } = await pglite.query<{ name: string }>(
        "select oid::regclass::text as name from pg_class where relkind = 'r' order by oid"
      )
      for (const { name } of rows) await pglite.exec(`vacuum (analyze) ${name}`)
    },
    requireWritable,
    logFailure: (...of) => failures.log(...of),
    async close() {
      failures.stop()
      await pglite.close()
      await lock.release()
    }
  }
}
