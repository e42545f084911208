import type { PgDatabase, PgQueryResultHKT } from 'drizzle-orm/pg-core'
import type { Config } from '../config.js'
import type { Logger } from '../logger.js'
import { openEmbedded } from './embedded.js'
import { openPostgres } from './postgres.js'
import type * as schema from './schema.js'

/** What a query takes. A function that is wrong outside a transaction takes a `Tx`. */
export type Db = PgDatabase<PgQueryResultHKT, typeof schema>
export type Tx = Parameters<Parameters<Db['transaction']>[0]>[0]

/** A statement on the hot path: prepared once per connection under its name. */
export interface PreparedStatement {
  name: string
  text: string
}

export interface Database {
  kind: 'embedded' | 'postgres'
  db: Db
  /** Run a hot statement, past the query builder. Values are text, numbers, or null. */
  prepared: <Row>(statement: PreparedStatement, values: unknown[]) => Promise<Row[]>
  /** Apply the migrations that are missing, one process at a time. */
  migrate: (folder: string) => Promise<void>
  /** Names the cluster and database, so that a restored copy is seen to be another one. */
  origin: () => Promise<string>
  /** What the database does not do by itself: the embedded one has no autovacuum. */
  maintain: () => Promise<void>
  close: () => Promise<void>
}

/** Open PostgreSQL where `DATABASE_URL` says so, else the embedded one in `DATA_DIR`. */
export function openDatabase(config: Config, logger: Logger): Promise<Database> {
  return config.DATABASE_URL === undefined
    ? openEmbedded(config.DATA_DIR)
    : openPostgres(config, config.DATABASE_URL, logger)
}
