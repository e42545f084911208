#!/usr/bin/env node
import { DrizzleQueryError } from 'drizzle-orm'
import type { FastifyInstance } from 'fastify'
import { buildApp } from './app.js'
import { readConfig, type Config } from './config.js'
import { createLogger } from './logger.js'
import { openServices } from './services.js'

/** Time for requests to finish and streams to end after a signal. */
const STOP_MS = 10_000

const SIGNALS = ['SIGTERM', 'SIGINT'] as const

async function main(): Promise<void> {
  const config = readConfig(process.env)
  const logger = createLogger(config.LOG_LEVEL)
  // There is nothing to end in order yet; and process 1 of a container ignores signals without a handler.
  const quit = () => process.exit(0)
  for (const signal of SIGNALS) process.on(signal, quit)
  const services = await openServices(config, logger)
  const app = await buildApp(services)
  let stopping = false
  const stop = (signal: string) => {
    if (stopping) return
    stopping = true
    logger.info({ signal }, 'stopping')
    setTimeout(() => {
      logger.error('not everything ended in time')
      process.exit(1)
    }, STOP_MS).unref()
    app.close().then(
      () => process.exit(0),
      (error: unknown) => {
        logger.error({ err: error }, 'stopping failed')
        process.exit(1)
      }
    )
  }
  for (const signal of SIGNALS) process.off(signal, quit).on(signal, stop)
  const address = await listen(app, config)
  process.stderr.write(banner(config, address))
}

async function listen(
  app: FastifyInstance,
  { SERVER_HOST: host, SERVER_PORT: port }: Config
): Promise<string> {
  try {
    return await app.listen({ host, port })
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'EADDRINUSE') throw error
    const message = `Something listens on ${host}:${port} already, maybe another server: choose another SERVER_PORT.`
    throw new Error(message, { cause: error })
  }
}

function banner(config: Config, address: string): string {
  const data = config.DATABASE_URL === undefined ? `embedded PostgreSQL in ${config.DATA_DIR}` : 'PostgreSQL'
  const url = address === 'http://127.0.0.1:3000' ? '' : ` --url ${address}`
  return `
  Secure Chat is ready on ${address}   (${data})

  Try:   npx secure-chat register alice${url}   in another terminal; npx secure-chat --help has the rest
  Read:  ${address}/docs         every call, with examples

`
}

/** Mistakes of ours, and what holds a query's parameters. All others say what the operator can do. */
const UNEXPECTED = [TypeError, RangeError, ReferenceError, SyntaxError, DrizzleQueryError]

main().catch((error: unknown) => {
  if (!(error instanceof Error) || UNEXPECTED.some((kind) => error instanceof kind))
    createLogger('fatal').fatal({ err: error }, 'the server could not start')
  else process.stderr.write(`secure-chat: ${error.message}\n`)
  process.exit(1)
})
