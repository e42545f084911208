import { DrizzleQueryError } from 'drizzle-orm'
import { pino, type DestinationStream, type Logger } from 'pino'

export type { Logger }

/** JSON lines on standard output. Fields that may hold a secret are redacted, up to two levels deep. */
export function createLogger(level: string, destination?: DestinationStream): Logger {
  const options = {
    level,
    serializers: { err: serializeError },
    redact: {
      paths: ['password', 'accessToken', 'refreshToken', 'authorization', 'cookie'].flatMap((name) => [
        name,
        `*.${name}`,
        `*.*.${name}`
      ]),
      censor: '[redacted]'
    }
  }
  return destination === undefined ? pino(options) : pino(options, destination)
}

/** Fields of errors of Node.js and PostgreSQL that are logged besides the message. */
const ERROR_FIELDS = [
  'code',
  'syscall',
  'address',
  'port',
  'constraint',
  'table',
  'column',
  'routine'
] as const

/**
 * An error without the values that it failed on, since these may be hashes and keys: Drizzle's message holds
 * the query's parameters, PGlite adds them to the error, and PostgreSQL shows whole rows in its `detail`.
 */
function serializeError(error: unknown): object {
  if (!(error instanceof Error)) return { type: typeof error }
  const { cause, errors } = error as { cause?: unknown; errors?: unknown }
  const fields = error as Error & Partial<Record<(typeof ERROR_FIELDS)[number], unknown>>
  return {
    type: error.constructor.name,
    ...(error instanceof DrizzleQueryError
      ? { query: error.query }
      : { message: error.message, stack: error.stack }),
    ...Object.fromEntries(
      ERROR_FIELDS.flatMap((name) => (fields[name] === undefined ? [] : [[name, fields[name]]]))
    ),
    ...(Array.isArray(errors) && { errors: errors.map(serializeError) }),
    ...(cause !== undefined && { cause: serializeError(cause) })
  }
}
