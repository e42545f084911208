import { readConfig } from '../config.js'
import { createLogger } from '../logger.js'
import { openDatabase } from '../db/open.js'
import { MIGRATIONS_FOLDER } from '../files.js'

/** Bring the configured database up to date. The server does the same whenever it starts. */
const config = readConfig(process.env)
const logger = createLogger(config.logLevel)
const database = await openDatabase(config.database, logger)
try {
  await database.migrate(MIGRATIONS_FOLDER)
  logger.info('the database is up to date')
} finally {
  await database.close()
}
