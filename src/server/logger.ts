import { DrizzleQueryError } from 'drizzle-orm'
import { pino, type DestinationStream, type Logger } from 'pino'

export type { Logger }

/** JSON lines on standard output. Whatever might be a secret is redacted, wherever it hides in the object. */
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

/** What tells about an error, of Node's and of PostgreSQL's, beside its message. */
const TELLING = ['code', 'syscall', 'address', 'port', 'constraint', 'table', 'column', 'routine'] as const

/**
 * What failed, without the values that it failed on, hashes and keys among them: Drizzle's message holds the query's
 * parameters, PGlite adds them to the error, and PostgreSQL shows whole rows in its `detail`.
 */
function serializeError(error: unknown): object {
  if (!(error instanceof Error)) return { type: typeof error }
  const { cause, errors } = error as { cause?: unknown; errors?: unknown }
  const told = error as Error & Partial<Record<(typeof TELLING)[number], unknown>>
  return {
    type: error.constructor.name,
    ...(error instanceof DrizzleQueryError
      ? { query: error.query }
      : { message: error.message, stack: error.stack }),
    ...Object.fromEntries(TELLING.flatMap((name) => (told[name] === undefined ? [] : [[name, told[name]]]))),
    ...(Array.isArray(errors) && { errors: errors.map(serializeError) }),
    ...(cause !== undefined && { cause: serializeError(cause) })
  }
}
