import type { Config } from '../config.js'
import type { Logger } from '../logger.js'
import type { Database } from './database.js'
import { openEmbedded } from './embedded.js'
import { openPostgres } from './postgres.js'

/** Open PostgreSQL where `DATABASE_URL` says so, else the embedded one in `DATA_DIR`. */
export function openDatabase(config: Config, logger: Logger): Promise<Database> {
  return config.DATABASE_URL === undefined
    ? openEmbedded(config.DATA_DIR)
    : openPostgres(config, config.DATABASE_URL, logger)
}
