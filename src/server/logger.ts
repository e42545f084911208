import { DrizzleQueryError } from 'drizzle-orm'
import { pino, stdSerializers, type DestinationStream, type Logger } from 'pino'

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

/** Drizzle's message holds the parameters of the query, hashes and keys among them: say what failed without. */
function serializeError(error: Error): object {
  if (!(error instanceof DrizzleQueryError)) return stdSerializers.err(error)
  const cause = error.cause === undefined ? undefined : stdSerializers.err(error.cause)
  return { type: error.name, query: error.query, cause }
}
