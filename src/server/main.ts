#!/usr/bin/env node
import { buildApp } from './app.js'
import { ConfigError, readConfig, type Config } from './config.js'
import { DataDirLocked } from './db/data-dir-lock.js'
import { createLogger } from './logger.js'
import { openServices } from './services.js'

/** Time for requests to finish and streams to end after a signal. */
const STOP_MS = 10_000

async function main(): Promise<void> {
  const config = readConfig(process.env)
  const logger = createLogger(config.LOG_LEVEL)
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
  process.on('SIGTERM', stop)
  process.on('SIGINT', stop)
  const address = await app.listen({ host: config.SERVER_HOST, port: config.SERVER_PORT })
  process.stderr.write(banner(config, address))
}

function banner(config: Config, address: string): string {
  const data = config.DATABASE_URL === undefined ? `embedded PostgreSQL in ${config.DATA_DIR}` : 'PostgreSQL'
  return `
  Secure Chat is ready on ${address}   (${data})

  Try:   SECURE_CHAT_URL=${address} bash examples/curl.sh    two users exchange an encrypted message
         curl ${address}/v1/server                           what this server offers
  Read:  ${address}/docs                                     every call, with examples

`
}

main().catch((error: unknown) => {
  const expected = error instanceof ConfigError || error instanceof DataDirLocked
  process.stderr.write(
    `secure-chat: ${expected ? error.message : ((error as Error).stack ?? String(error))}\n`
  )
  process.exit(1)
})
