import { readFileSync } from 'node:fs'
import { setTimeout as sleep } from 'node:timers/promises'
import { drizzle, type NodePgDatabase } from 'drizzle-orm/node-postgres'
import { migrate } from 'drizzle-orm/node-postgres/migrator'
import type { PgTransactionConfig } from 'drizzle-orm/pg-core'
import pg from 'pg'
import type { Config, Secret } from '../config.js'
import type { Logger } from '../logger.js'
import { DatabaseReadOnly, isDatabaseDown, retryDeadlock } from './errors.js'
import { Failures } from './failures.js'
import { KEEP_TO_INDEXES } from './prepared.js'
import type { Database, PreparedStatement } from './database.js'
import { checkApplied, refuseOlderForm } from './migrate.js'
import { postgresOrigin } from './origin.js'

type DatabaseConfig = Config['database']
type NodePgTx = Parameters<Parameters<NodePgDatabase['transaction']>[0]>[0]

/** The advisory lock under which one process at a time migrates: an arbitrary constant of this program. */
const MIGRATION_LOCK = 7_236_418_203

/** SQL: a migration takes as long as it takes, whatever the role's settings say. `transaction_timeout` came with 17. */
const NO_TIMEOUTS = `select set_config(name, '0', false) from pg_settings where name in
  ('statement_timeout', 'lock_timeout', 'transaction_timeout', 'idle_in_transaction_session_timeout')`

/** The options of every connection to the database, those for LISTEN included. */
export function connectionOptions(config: DatabaseConfig, url: Secret): pg.ClientConfig {
  const ssl = {
    url: undefined,
    off: false,
    require: { rejectUnauthorized: false },
    verify: {
      rejectUnauthorized: true,
      ...(config.tlsCaFile && { ca: readFileSync(config.tlsCaFile, 'utf8') })
    }
  }[config.tls]
  return {
    connectionString: url.reveal(),
    ...(ssl !== undefined && { ssl }),
    application_name: 'secure-chat',
    connectionTimeoutMillis: 5000,
    keepAlive: true
  }
}

/** The address for connections that must keep their session: past the pooler, if there is one. */
export function directUrl({ directUrl }: DatabaseConfig, url: Secret): Secret {
  return directUrl ?? url
}

/** Settings of a connection's session. Through a pooler each transaction may have another session. */
function sessionSettings(timeout: number): pg.PoolConfig {
  return {
    statement_timeout: timeout,
    idle_in_transaction_session_timeout: timeout,
    // The pool waits for the returned promise, although its types do not declare one.
    onConnect: ((client) => client.query(KEEP_TO_INDEXES)) as (client: pg.ClientBase) => void
  }
}

/** A pool on PostgreSQL. Waits for a database that is still starting. */
export async function openPostgres(config: DatabaseConfig, url: Secret, logger: Logger): Promise<Database> {
  const timeout = config.statementTimeoutSeconds * 1000
  const isPooled = config.directUrl !== undefined
  const pool = new pg.Pool({
    ...connectionOptions(config, url),
    max: config.poolSize,
    // PostgreSQL cancels a slow statement. This covers a PostgreSQL that hangs.
    query_timeout: timeout + 2000,
    ...(!isPooled && sessionSettings(timeout))
  })
  const failures = new Failures(() => requireWritable(pool), logger)
  pool.on('error', (error) => failures.log(error, 'an idle database connection broke'))
  // One in use may break between two queries: the next one fails. Without a listener the process would end.
  pool.on('connect', (client) => client.on('error', () => {}))
  await waitFor(pool, config.startTimeoutSeconds * 1000, logger)
  await requireUtf8(pool)
  if (isPooled) await warnOfMissingTimeouts(pool, logger)
  const db = drizzle(pool)
  db.transaction = (...given) => retryDeadlock(() => inTransaction(pool, ...given))

  return {
    kind: 'postgres',
    db,
    prepared: <Row>({ name, text }: PreparedStatement, values: unknown[]) =>
      retryDeadlock(
        async () =>
          (await pool.query<Row & pg.QueryResultRow>({ ...(!isPooled && { name }), text, values })).rows
      ),
    async migrate(folder) {
      const client = new pg.Client(connectionOptions(config, directUrl(config, url)))
      client.on('error', (error) => logger.warn({ err: error }, 'the migration connection broke'))
      await client.connect().catch((error: unknown) => {
        throw unusable(error)
      })
      try {
        await client.query(NO_TIMEOUTS)
        await takeMigrationLock(client, logger)
        const own = drizzle(client)
        await refuseOlderForm(own, folder)
        await migrate(own, { migrationsFolder: folder })
        await checkApplied(own, folder)
      } finally {
        await client.end()
      }
    },
    origin: () => postgresOrigin(db),
    maintain: () => Promise.resolve(),
    requireWritable: () => requireWritable(pool),
    logFailure: (...of) => failures.log(...of),
    async close() {
      failures.stop()
      await pool.end()
    }
  }
}

/**
 * As Drizzle's own, which keeps a connection for ever once BEGIN has failed on it. A connection goes back to the pool
 * only if the database has said that the transaction is over.
 */
async function inTransaction<T>(
  pool: pg.Pool,
  work: (tx: NodePgTx) => Promise<T>,
  config?: PgTransactionConfig
): Promise<T> {
  const client = await pool.connect()
  let hasBegun = false
  try {
    return await drizzle(client).transaction((tx) => {
      hasBegun = true
      return work(tx)
    }, config)
  } finally {
    client.release(!hasBegun || client.getTransactionStatus() !== 'I')
  }
}

/**
 * A connection to a database that takes no writes is closed: the next one may lead to the new primary.
 *
 * @throws {DatabaseReadOnly}
 */
async function requireWritable(pool: pg.Pool): Promise<void> {
  const client = await pool.connect()
  let isReadOnly = true
  try {
    const { rows } = await client.query<{ value: string }>(
      `select current_setting('transaction_read_only') as value`
    )
    isReadOnly = rows[0]!.value === 'on'
  } finally {
    client.release(isReadOnly)
  }
  if (isReadOnly) throw new DatabaseReadOnly()
}

/** @throws {Error} if the database cannot hold every text */
async function requireUtf8(pool: pg.Pool): Promise<void> {
  const { rows } = await pool.query<{ encoding: string; name: string }>(
    `select current_setting('server_encoding') as encoding, current_database() as name`
  )
  const { encoding, name } = rows[0]!
  if (encoding === 'UTF8') return
  await pool.end()
  throw new Error(
    `The database ${name} has the encoding ${encoding}, which cannot hold every text. ` +
      'Make one with UTF8: createdb --encoding=UTF8 --template=template0'
  )
}

/** Take the lock that lets one process at a time migrate. The log says if another one has it. */
async function takeMigrationLock(client: pg.Client, logger: Logger): Promise<void> {
  const { rows } = await client.query<{ free: boolean }>('select pg_try_advisory_lock($1) as free', [
    MIGRATION_LOCK
  ])
  if (rows[0]!.free) return
  logger.info('waiting for another process that migrates the database')
  await client.query('select pg_advisory_lock($1)', [MIGRATION_LOCK])
}

/** Warn if the role lacks settings that cannot be made through a pooler. */
async function warnOfMissingTimeouts(pool: pg.Pool, logger: Logger): Promise<void> {
  for (const setting of ['statement_timeout', 'idle_in_transaction_session_timeout']) {
    const { rows } = await pool.query<{ value: string; role: string }>(
      'select current_setting($1) as value, current_user as role',
      [setting]
    )
    const { value, role } = rows[0]!
    if (value === '0')
      logger.warn(
        `${setting} is 0: one statement that hangs may stop all. Run: alter role "${role}" set ${setting} = '10s'`
      )
  }
}

/** The driver does not say that it is about the database: of TLS it has only OpenSSL's words. */
function unusable(error: unknown): unknown {
  if (!(error instanceof Error) || error instanceof TypeError) return error
  return new Error(`The database cannot be used: ${reasonOf(error)}`, { cause: error })
}

/** The message is empty if a host has several addresses. */
function reasonOf(error: unknown): string {
  const { message, code } = error as { message: string; code?: unknown }
  return message || String(code)
}

async function waitFor(pool: pg.Pool, timeoutMs: number, logger: Logger): Promise<void> {
  const deadline = performance.now() + timeoutMs
  for (let wait = 100; ; wait = Math.min(wait * 2, 2000)) {
    try {
      return await requireWritable(pool)
    } catch (error) {
      const down = isDatabaseDown(error)
      const reason = reasonOf(error)
      if (!down || performance.now() + wait > deadline) {
        await pool.end()
        throw down
          ? new Error(`The database is not ready after ${timeoutMs / 1000} s: ${reason}`)
          : unusable(error)
      }
      logger.info({ reason }, 'waiting for the database')
      await sleep(wait)
    }
  }
}
