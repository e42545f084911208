import type { PgDatabase, PgQueryResultHKT } from 'drizzle-orm/pg-core'

/**
 * Takes queries. A function that is wrong outside a transaction takes a `Tx`. A transaction that ends in a deadlock is
 * done again: what it does besides has to bear that.
 */
export type Db = PgDatabase<PgQueryResultHKT>
export type Tx = Parameters<Parameters<Db['transaction']>[0]>[0]

/** A statement that runs often: prepared once per connection under its name, past the query builder. */
export interface PreparedStatement {
  name: string
  text: string
}

export interface Database {
  kind: 'embedded' | 'postgres'
  db: Db
  /** Run a prepared statement. Values are text, numbers, or null. */
  prepared: <Row>(statement: PreparedStatement, values: unknown[]) => Promise<Row[]>
  /** Apply the migrations that are missing, one process at a time. */
  migrate: (folder: string) => Promise<void>
  /** Names the cluster and the database, so that a restored copy is recognised as another one. */
  origin: () => Promise<string>
  /** Housekeeping that the database does not do by itself: the embedded one has no autovacuum. */
  maintain: () => Promise<void>
  /** @throws if the database does not answer, or takes no writes */
  requireWritable: () => Promise<void>
  /** Log that something has failed. All failures of one outage are one line. */
  logFailure: (error: unknown, message: string, details?: object) => void
  close: () => Promise<void>
}
