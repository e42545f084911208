import { sql } from 'drizzle-orm'
import t from 'tap'
import { readConfig } from '../../../src/server/config.js'
import { openDatabase } from '../../../src/server/db/open.js'
import { createLogger } from '../../../src/server/logger.js'
import { openServices } from '../../../src/server/services.js'
import { emptyDataDir } from '../../support/empty-database.js'
import { findPostgres } from '../../support/postgres.js'

const logger = createLogger('fatal')

/** Open a database whose first migration was another one. */
async function openOlder(env: Record<string, string>): Promise<unknown> {
  const config = readConfig(env)
  await (await openServices(config, logger)).close()
  const database = await openDatabase(config.database, logger)
  await database.db.execute(sql`
    update drizzle.__drizzle_migrations set hash = 'of another form'
    where id = (select min(id) from drizzle.__drizzle_migrations)`)
  await database.close()
  return openServices(config, logger)
}

t.test('A database with statements of an older form is refused in one sentence', async (t) => {
  const message =
    'The database holds statements of an older form of the protocol, which this version cannot verify. ' +
    'Start with an empty database.'
  await t.rejects(openOlder({ DATA_DIR: await emptyDataDir(t) }), { message })
  const postgres = await findPostgres(t)
  if (typeof postgres === 'string') t.comment(postgres)
  else await t.rejects(openOlder({ DATABASE_URL: postgres.url }), { message })
})
