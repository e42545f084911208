import { contradictions } from './contradictions.js'
import { ConfigError, Invalid, registration, Secret, type Variable, withFiles } from './environment.js'
import { variables } from './variables.js'

export { ConfigError, Secret }

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
      idleDays: values.DEVICE_LOGIN_IDLE
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
      auditAddressesDays: values.AUDIT_ADDRESSES,
      /** Usernames of those admins who take reports of messages. */
      moderators: values.MODERATORS
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
    messages: {
      /** Bytes of ciphertext that a user may store within 24 hours. */
      bytesPerDay: limit(values.MESSAGE_BYTES_PER_DAY)
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
  mistakes.push(...contradictions(values, texts['DATABASE_URL'] !== undefined))
  if (mistakes.length > 0) throw new ConfigError(mistakes)
  const settings = Object.entries<Variable<unknown>>(variables).map(([name, variable]) => {
    const text = texts[name] ?? variable.default ?? null
    return { name, value: values[name] instanceof Secret ? String(values[name]) : text }
  })
  return { ...grouped(values as Values), settings }
}
