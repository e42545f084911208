import { CONTACT_POLICIES } from '../protocol/accounts.js'
import {
  ConfigError,
  Invalid,
  Secret,
  choice,
  contradictions,
  databaseUrl,
  integer,
  list,
  origin,
  optional,
  path,
  redisUrl,
  registration,
  registrationMode,
  secret,
  text,
  trustedProxies,
  withFiles,
  type Variable
} from './environment.js'

export { ConfigError, Secret }

/** Every variable with its default and its bounds; `.env.example` lists the same ones. */
export const variables = {
  SERVER_HOST: text('127.0.0.1'),
  SERVER_PORT: integer(3000, 0, 65_535),
  PUBLIC_URL: optional(origin),
  TRUST_PROXY: { default: 'off', parse: trustedProxies },
  CORS_ORIGINS: { default: '', parse: list },
  WORKERS: integer(1, 1, 64),
  LOG_LEVEL: choice('info', 'fatal', 'error', 'warn', 'info', 'debug', 'trace', 'silent'),

  DATA_DIR: text('./data'),
  DATABASE_URL: optional(databaseUrl),
  DATABASE_URL_FILE: optional(path),
  DATABASE_DIRECT_URL: optional(databaseUrl),
  DATABASE_DIRECT_URL_FILE: optional(path),
  DATABASE_TLS: choice('url', 'url', 'off', 'require', 'verify'),
  DATABASE_TLS_CA: optional(path),
  DATABASE_POOL_SIZE: integer(10, 2, 200),
  DATABASE_STATEMENT_TIMEOUT: integer(10, 1, 600),
  DATABASE_START_TIMEOUT: integer(60, 1, 3600),
  REDIS_URL: optional(redisUrl),
  REDIS_URL_FILE: optional(path),

  JWT_SECRET: optional(secret),
  JWT_SECRET_FILE: optional(path),
  ACCESS_TOKEN_LIFETIME: integer(900, 10, 86_400),
  SESSION_TIMEOUT: integer(3600, 1, 2_592_000),
  SESSION_LIFETIME: integer(2_592_000, 60, 31_536_000),
  MAX_SESSIONS: integer(50, 1, 200),
  EXPORTS_PER_DAY: integer(3, 1, 1000),
  DEVICE_LOGIN: choice('on', 'on', 'off'),
  DEVICE_LOGIN_IDLE: integer(90, 1, 3650),
  PASSWORD_ITERATIONS: integer(600_000, 100_000, 10_000_000),
  PASSWORD_QUEUE: integer(64, 1, 10_000),
  RSA_KEY_SIZE: choice('2048', '2048', '3072', '4096'),
  MAX_DEVICES: integer(16, 1, 16),
  DEVICE_ADDS_PER_DAY: integer(10, 1, 1000),
  DEVICE_REKEYS_PER_DAY: integer(2, 1, 1000),
  DEVICE_RESETS_PER_DAY: integer(3, 1, 1000),

  REGISTRATION: optional(registrationMode),
  INVITES_PER_DAY: integer(20, 1, 10_000),
  INVITE_USES: integer(100, 1, 10_000),
  INVITE_DAYS: integer(30, 1, 365),

  CHAIN_REQUESTS_AT_ONCE: integer(10, 1, 10_000),
  CHAIN_REQUESTS_PER_MINUTE: integer(1, 1, 10_000),
  SPARE_KEYS_PER_DAY: integer(5, 1, 10_000),
  WRAPS_KEPT: integer(365, 1, 36_500),

  ADMIN_SOCKET: optional(path),
  AUDIT_ADDRESSES: integer(30, 1, 3650),

  CONTACT_POLICY: choice('requests', ...CONTACT_POLICIES),
  MAX_CONVERSATIONS: integer(5000, 1, 100_000),
  MAX_REQUESTS: integer(100, 1, 10_000),
  MAX_BLOCKS: integer(1000, 1, 10_000),
  GROUPS_PER_DAY: integer(100, 1, 100_000),
  REQUESTS_PER_DAY: integer(20, 1, 100_000),

  MAX_CLIENTS: integer(10_000, 1, 1_000_000),
  MAX_CLIENTS_PER_NETWORK: integer(1000, 1, 1_000_000),
  MAX_CLIENTS_PER_USER: integer(50, 1, 1_000_000),
  MAX_CLIENTS_PER_DEVICE: integer(10, 1, 1_000_000),
  PRESENCE_GROUP: integer(250, 2, 1024),
  STREAM_ACK_TIMEOUT: integer(45, 5, 3600),
  STREAM_LIFETIME: integer(3600, 1, 86_400),
  STREAM_BUFFER: integer(262_144, 16_384, 16_777_216),
  SEND_QUEUE: integer(10_000, 1, 1_000_000),
  SEND_BATCH: integer(256, 1, 1000),
  SEND_WAIT: integer(2000, 10, 60_000),
  POLL_INTERVAL: integer(500, 10, 60_000),

  RATE_LIMIT: choice('on', 'on', 'off'),
  RATE_LIMIT_AUTH: integer(60, 1, 1_000_000),
  RATE_LIMIT_READ: integer(1200, 1, 10_000_000),
  RATE_LIMIT_WRITE: integer(300, 1, 10_000_000),
  RATE_LIMIT_SEND: integer(3000, 1, 10_000_000),
  RATE_LIMIT_SHARE: integer(20, 1, 100)
} satisfies Record<string, Variable<unknown>>

type Values = { readonly [K in keyof typeof variables]: ReturnType<(typeof variables)[K]['parse']> }

export type Config = ReturnType<typeof grouped> & {
  /** Every variable with its value, for people: secrets are `[redacted]`. */
  settings: { name: string; value: string | null }[]
}

/** The values as the parts of the server take them, each its own group. */
function grouped(values: Values) {
  const isLimited = values.RATE_LIMIT === 'on'
  const limit = (max: number) => (isLimited ? max : Infinity)
  return {
    http: {
      host: values.SERVER_HOST,
      port: values.SERVER_PORT,
      /** The origin that clients have configured, if it is known. */
      publicOrigin: values.PUBLIC_URL,
      trustedProxies: values.TRUST_PROXY,
      corsOrigins: values.CORS_ORIGINS
    },
    workers: values.WORKERS,
    logLevel: values.LOG_LEVEL,
    database: {
      /** Folder of the embedded database, and of secrets that are not configured. */
      dataDir: values.DATA_DIR,
      /** PostgreSQL; the embedded database if undefined. */
      url: values.DATABASE_URL,
      /** PostgreSQL itself, if `url` is a pooler's. */
      directUrl: values.DATABASE_DIRECT_URL,
      tls: values.DATABASE_TLS,
      tlsCaFile: values.DATABASE_TLS_CA,
      poolSize: values.DATABASE_POOL_SIZE,
      statementTimeoutSeconds: values.DATABASE_STATEMENT_TIMEOUT,
      startTimeoutSeconds: values.DATABASE_START_TIMEOUT
    },
    redisUrl: values.REDIS_URL,
    sessions: {
      /** Signs tokens; made and stored by the server if undefined. */
      secret: values.JWT_SECRET,
      accessTokenSeconds: values.ACCESS_TOKEN_LIFETIME,
      /** Without a refresh. */
      idleSeconds: values.SESSION_TIMEOUT,
      lifetimeSeconds: values.SESSION_LIFETIME,
      maxPerUser: values.MAX_SESSIONS
    },
    deviceLogin: {
      enabled: values.DEVICE_LOGIN === 'on',
      /** A device that was not seen for longer needs the password. */
      idleDays: values.DEVICE_LOGIN_IDLE,
      perHour: limit(30)
    },
    registration: registration(values),
    /** Those that one member may make. */
    invites: {
      perDay: limit(values.INVITES_PER_DAY),
      maxUses: values.INVITE_USES,
      maxDays: values.INVITE_DAYS
    },
    /** Exports of a user’s data within 24 hours. */
    exportsPerDay: limit(values.EXPORTS_PER_DAY),
    passwords: { iterations: values.PASSWORD_ITERATIONS, maxQueued: values.PASSWORD_QUEUE },
    devices: {
      minRsaBits: Number(values.RSA_KEY_SIZE),
      maxPerUser: values.MAX_DEVICES,
      /** Statements of a user's chain. */
      perDay: {
        'device-add': limit(values.DEVICE_ADDS_PER_DAY),
        'device-rekey': limit(values.DEVICE_REKEYS_PER_DAY),
        'device-reset': limit(values.DEVICE_RESETS_PER_DAY)
      }
    },
    conversations: {
      /** Requests of a member to a conversation's chain. */
      requests: {
        atOnce: limit(values.CHAIN_REQUESTS_AT_ONCE),
        perMinute: values.CHAIN_REQUESTS_PER_MINUTE
      },
      /** Session keys of a member that no change asks for, within 24 hours. */
      spareKeys: { perDay: limit(values.SPARE_KEYS_PER_DAY) },
      /** Days for which a wrap is kept after its device has fetched it. */
      wrapsKeptDays: values.WRAPS_KEPT
    },
    admin: {
      /** Where the operator's socket is: a path, `off`, or the usual place in `dataDir` if undefined. */
      socket: values.ADMIN_SOCKET,
      /** Days for which the audit says from where admins acted. */
      auditAddressesDays: values.AUDIT_ADDRESSES
    },
    contacts: {
      /** The policy of a new account. */
      policy: values.CONTACT_POLICY,
      /** Conversations of a user. */
      maxConversations: values.MAX_CONVERSATIONS,
      /** Requests that wait for a user. */
      maxRequests: values.MAX_REQUESTS,
      maxBlocks: values.MAX_BLOCKS,
      /** Groups that a user creates, and requests that a user sends, within 24 hours. */
      perDay: { groups: limit(values.GROUPS_PER_DAY), requests: limit(values.REQUESTS_PER_DAY) }
    },
    /** Members of the largest group in which streams tell who comes and goes. */
    presence: { largestGroup: values.PRESENCE_GROUP },
    streams: {
      maxOpen: values.MAX_CLIENTS,
      maxPerNetwork: limit(values.MAX_CLIENTS_PER_NETWORK),
      maxPerUser: limit(values.MAX_CLIENTS_PER_USER),
      maxPerDevice: limit(values.MAX_CLIENTS_PER_DEVICE),
      /** How long a client may leave bytes unacknowledged. */
      ackTimeoutSeconds: values.STREAM_ACK_TIMEOUT,
      lifetimeSeconds: values.STREAM_LIFETIME,
      bufferBytes: values.STREAM_BUFFER
    },
    log: {
      maxQueuedMessages: values.SEND_QUEUE,
      maxBatchMessages: values.SEND_BATCH,
      /** How long the first message of the queue may have waited when another one is accepted. */
      maxWaitMs: values.SEND_WAIT,
      pollIntervalMs: values.POLL_INTERVAL
    },
    rateLimits: {
      enabled: isLimited,
      /** Part of all time that the calls of one user may take. */
      share: values.RATE_LIMIT_SHARE / 100,
      /** Requests of each class, `Infinity` if the limits are off. */
      perMinute: {
        auth: limit(values.RATE_LIMIT_AUTH),
        read: limit(values.RATE_LIMIT_READ),
        write: limit(values.RATE_LIMIT_WRITE),
        send: limit(values.RATE_LIMIT_SEND)
      }
    }
  }
}

/**
 * Read the configuration. An empty variable counts as not set.
 *
 * @throws {ConfigError} naming every mistake at once
 */
export function readConfig(env: Readonly<Record<string, string | undefined>>): Config {
  const mistakes: string[] = []
  const values: Record<string, unknown> = {}
  const texts = withFiles(env, Object.keys(variables), (mistake) => mistakes.push(mistake))
  for (const [name, variable] of Object.entries<Variable<unknown>>(variables)) {
    const given = texts[name] ?? variable.default
    try {
      values[name] = given === undefined ? undefined : variable.parse(given)
    } catch (error) {
      if (!(error instanceof Invalid)) throw error
      mistakes.push(`${name} ${error.message}`)
    }
  }
  mistakes.push(...contradictions(values))
  if (mistakes.length > 0) throw new ConfigError(mistakes)
  const settings = Object.entries<Variable<unknown>>(variables).map(([name, variable]) => {
    const text = texts[name] ?? variable.default ?? null
    return { name, value: values[name] instanceof Secret ? String(values[name]) : text }
  })
  return { ...grouped(values as Values), settings }
}
