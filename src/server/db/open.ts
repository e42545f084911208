import type { Config } from '../config.js'
import type { Logger } from '../logger.js'
import type { Database } from './database.js'
import { openEmbedded } from './embedded.js'
import { openPostgres } from './postgres.js'

/** Open PostgreSQL where `DATABASE_URL` says so, else the embedded one in `DATA_DIR`. */
export function openDatabase(config: Config['database'], logger: Logger): Promise<Database> {
  return config.url === undefined
    ? openEmbedded(config.dataDir, logger)
    : openPostgres(config, config.url, logger)
}
