import { randomBytes } from 'node:crypto'
import { eq } from 'drizzle-orm'
import { startCounterSync, type CounterSync } from './access/counter-sync.js'
import type { Notifier } from './notifier/notifier.js'
import { noopNotifier } from './notifier/memory.js'
import { postgresNotifier } from './notifier/postgres.js'
import type { Config } from './config.js'
import type { Database, Db } from './db/database.js'
import { openDatabase } from './db/open.js'
import { MIGRATIONS_FOLDER } from './db/migrate.js'
import { connectionOptions, directUrl } from './db/postgres.js'
import { serverSecrets } from './db/schema.js'
import type { Logger } from './logger.js'
import { ensureEpoch } from './log/epoch.js'
import { openLog, type Log } from './log/index.js'
import { createPasswords, type Passwords } from './access/passwords.js'
import { loadSecret } from './access/secrets.js'
import { Sessions } from './access/sessions.js'
import { Streams } from './streaming/hub.js'
import { startSweeper } from './db/sweep.js'
import { refreshTokens, type RefreshTokens } from './access/tokens.js'

/** What features are made of. */
export interface Services {
  config: Config
  logger: Logger
  database: Database
  db: Db
  notifier: Notifier
  log: Log
  sessions: Sessions
  streams: Streams
  /** Bounds on attempts, for all processes together. */
  attempts: CounterSync
  passwords: Passwords
  /** Signs access tokens. */
  secret: string
  refresh: RefreshTokens
  /** Ends everything, the last opened first. */
  close: () => Promise<void>
}

/** Open the database, bring it up to date, and start what lives as long as the process. */
export async function openServices(config: Config, logger: Logger): Promise<Services> {
  const database = await openDatabase(config, logger)
  try {
    await database.migrate(MIGRATIONS_FOLDER)
    const epoch = await ensureEpoch(database)
    const secret = await signingSecret(config, database)
    const bell = await openBell(config, epoch, logger)
    const log = await openLog(database, bell, config, logger)
    const sessions = new Sessions(database, log.tail)
    const streams = new Streams(sessions, {
      total: config.MAX_CLIENTS,
      perUser: config.RATE_LIMIT === 'off' ? Infinity : config.MAX_CLIENTS_PER_USER
    })
    const attempts = startCounterSync(database, secret, logger)
    const stopSweeping = startSweeper(database, logger)
    return {
      config,
      logger,
      database,
      db: database.db,
      notifier: bell,
      log,
      sessions,
      streams,
      attempts,
      passwords: createPasswords(config.PASSWORD_ITERATIONS, config.PASSWORD_QUEUE),
      secret,
      refresh: refreshTokens(secret),
      async close() {
        streams.stop()
        await log.idle()
        log.stop()
        stopSweeping()
        attempts.stop()
        await bell.close()
        await database.close()
      }
    }
  } catch (error) {
    await database.close()
    throw error
  }
}

async function openBell(config: Config, epoch: string, logger: Logger): Promise<Notifier> {
  if (config.DATABASE_URL === undefined) return noopNotifier
  if (config.REDIS_URL === undefined)
    return postgresNotifier(connectionOptions(config, directUrl(config, config.DATABASE_URL)), logger)
  // Loaded by those alone who use it: it takes some MB.
  const { redisNotifier: redisBell } = await import('./notifier/redis.js')
  return redisBell(config.REDIS_URL.reveal(), epoch, logger)
}

/** `JWT_SECRET`; else one made at first start and kept beside the data: in `DATA_DIR`, or in the database. */
async function signingSecret(config: Config, { kind, db }: Database): Promise<string> {
  if (config.JWT_SECRET !== undefined) return config.JWT_SECRET.reveal()
  if (kind === 'embedded') return loadSecret(config.DATA_DIR, 'jwt-secret')
  const name = 'jwt-secret'
  const value = randomBytes(32).toString('base64url')
  await db.insert(serverSecrets).values({ name, value }).onConflictDoNothing()
  const [kept] = await db.select().from(serverSecrets).where(eq(serverSecrets.name, name))
  return kept!.value
}
