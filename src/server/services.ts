import { randomBytes } from 'node:crypto'
import { eq } from 'drizzle-orm'
import { eraseAddresses } from './access/audit.js'
import { startCounterSync, type CounterSync } from './access/counter-sync.js'
import { ErasedRows } from './access/erased-rows.js'
import { LoginThrottle } from './access/login-throttle.js'
import { NoticeBoard } from './access/notice.js'
import { dropWraps } from './chains/wraps.js'
import type { Notifier } from './notifier/notifier.js'
import { noopNotifier } from './notifier/memory.js'
import { postgresNotifier } from './notifier/postgres.js'
import { redisNotifier } from './notifier/redis.js'
import type { Config } from './config.js'
import type { Database, Db } from './db/database.js'
import { openDatabase } from './db/open.js'
import { MIGRATIONS_FOLDER } from './files.js'
import { connectionOptions, directUrl } from './db/postgres.js'
import { serverSecrets } from './db/schema.js'
import type { Logger } from './logger.js'
import { ensureEpoch } from './log/epoch.js'
import { openLog, type Log } from './log/index.js'
import { createPasswords, type Passwords } from './access/passwords.js'
import { loadSecret } from './access/secrets.js'
import { Sessions } from './access/sessions.js'
import { Hub } from './streaming/hub.js'
import { startSweeper } from './db/sweep.js'
import { refreshTokens, type RefreshTokens } from './access/tokens.js'

/** The parts that features are built on. */
export interface Services {
  config: Config
  logger: Logger
  database: Database
  db: Db
  notifier: Notifier
  log: Log
  sessions: Sessions
  hub: Hub
  /** Counters of attempts that all processes share. */
  attempts: CounterSync
  /** Bounds the guessing of passwords. */
  logins: LoginThrottle
  passwords: Passwords
  /** Erases what is left of erased users. */
  erasedRows: ErasedRows
  /** What the operator tells all users. */
  notices: NoticeBoard
  /** Signs access tokens. */
  secret: string
  refresh: RefreshTokens
  /** Closes everything: the streams first, the database last. */
  close: () => Promise<void>
}

/** Open the database, bring it up to date, and start what lives as long as the process. */
export async function openServices(config: Config, logger: Logger): Promise<Services> {
  const database = await openDatabase(config.database, logger)
  try {
    await database.migrate(MIGRATIONS_FOLDER)
    const epoch = await ensureEpoch(database)
    const secret = await signingSecret(config, database)
    const notifier = openNotifier(config, epoch, logger)
    const log = await openLog(database, notifier, config.log, logger)
    const sessions = new Sessions(database, log)
    const notices = await NoticeBoard.open(database.db, log)
    // After the sessions, which so hear first of those that have ended.
    const hub = new Hub(sessions, log, config.streams)
    const attempts = startCounterSync({ config, database, log, secret, logger })
    const erasedRows = new ErasedRows(database)
    const stopSweeping = startSweeper(database, {
      minutely: () => erasedRows.sweep(),
      hourly: async () => {
        await dropWraps(database.db, config.conversations.wrapsKeptDays)
        await eraseAddresses(database.db, config.admin.auditAddressesDays)
      }
    })
    return {
      config,
      logger,
      database,
      db: database.db,
      notifier,
      log,
      sessions,
      hub,
      attempts,
      logins: new LoginThrottle(database.db, attempts),
      erasedRows,
      notices,
      passwords: createPasswords(config.passwords),
      secret,
      refresh: refreshTokens(secret),
      async close() {
        hub.stop()
        await log.idle()
        log.stop()
        stopSweeping()
        await erasedRows.stop()
        attempts.stop()
        await notifier.close()
        await database.close()
      }
    }
  } catch (error) {
    await database.close()
    throw error
  }
}

function openNotifier(config: Config, epoch: string, logger: Logger): Notifier {
  const { database, redisUrl } = config
  if (database.url === undefined) return noopNotifier
  if (redisUrl === undefined)
    return postgresNotifier(connectionOptions(database, directUrl(database, database.url)), logger)
  return redisNotifier(redisUrl.reveal(), epoch, logger)
}

/**
 * `JWT_SECRET`; otherwise one that is made at the first start and kept with the data: in `DATA_DIR` or the
 * database.
 */
async function signingSecret(config: Config, { kind, db }: Database): Promise<string> {
  const { secret } = config.sessions
  if (secret !== undefined) return secret.reveal()
  if (kind === 'embedded') return loadSecret(config.database.dataDir, 'jwt-secret')
  const name = 'jwt-secret'
  const value = randomBytes(32).toString('base64url')
  await db.insert(serverSecrets).values({ name, value }).onConflictDoNothing()
  const [kept] = await db.select().from(serverSecrets).where(eq(serverSecrets.name, name))
  return kept!.value
}
