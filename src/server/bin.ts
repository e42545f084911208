#!/usr/bin/env node
import cluster from 'node:cluster'
import { isIPv6 } from 'node:net'
import { setFlagsFromString } from 'node:v8'
import { DrizzleQueryError } from 'drizzle-orm'
import type { FastifyInstance } from 'fastify'
import { buildApp } from './app.js'
import { readConfig, type Config } from './config.js'
import { inviteFirstAccount } from './access/first-account.js'
import { openDatabase } from './db/open.js'
import { createLogger, type Logger } from './logger.js'
import { openServices } from './services.js'
import { superviseWorkers } from './cluster.js'

/** Decisions 34 and 36. A version of V8 that does not know one of them says so, and goes on. */
const V8_FLAGS = [
  // All of the heap is collected once it has grown to three times its size. By itself V8 waits for a tenth where little memory
  // stays in use, so that a collection every two seconds stops all others for some 40 ms.
  '--heap-growing-percent=200',
  // V8 would put what it takes for lasting where only such a collection frees it. Here that were requests and answers.
  '--no-allocation-site-pretenuring'
]

/** Time for requests to finish and streams to end after a signal. */
const STOP_MS = 10_000

const SIGNALS = ['SIGTERM', 'SIGINT'] as const

async function main(): Promise<void> {
  const config = readConfig(process.env)
  const logger = createLogger(config.logLevel)
  // `secure-chat serve` has died, and nothing else would end its server.
  if (cluster.isPrimary) process.once('disconnect', () => process.kill(process.pid, 'SIGTERM'))
  if (config.workers === 1 || cluster.isWorker) return serve(config, logger)
  const stop = new AbortController()
  for (const signal of SIGNALS) process.on(signal, () => stop.abort())
  const onReady = (port: number) => {
    greet(config, origin(config.http.host, port), () => inviteFirst(config, logger)).catch((error: unknown) =>
      logger.error({ err: error }, 'the invitation of the first account could not be made')
    )
  }
  process.exit(await superviseWorkers(config.workers, logger, { signal: stop.signal, onReady }))
}

async function serve(config: Config, logger: Logger): Promise<void> {
  for (const flag of V8_FLAGS) setFlagsFromString(flag)
  // Nothing has to be closed yet. Process 1 of a container ignores signals that have no handler.
  const quit = () => process.exit(0)
  for (const signal of SIGNALS) process.on(signal, quit)
  if (config.database.url === undefined) warnOfLittleMemory(process.availableMemory(), logger)
  const services = await openServices(config, logger)
  const app = await buildApp(services)
  let stopping = false
  const stop = (signal: string) => {
    if (stopping) return
    stopping = true
    logger.info({ signal }, 'stopping')
    setTimeout(() => {
      logger.error('the server did not stop in time')
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
  // On a terminal, the banner is enough.
  if (!process.stdout.isTTY)
    logger.info({ address: origin(config.http.host, Number(new URL(address).port)) }, 'listening')
  if (cluster.isPrimary) await greet(config, address, () => inviteFirstAccount(services.db))
}

/** The primary process of workers has no database open. */
async function inviteFirst(config: Config, logger: Logger): Promise<string | null> {
  const database = await openDatabase(config.database, logger)
  return inviteFirstAccount(database.db).finally(() => database.close())
}

/**
 * Tell on the terminal where the server is, and how the first account is made.
 *
 * @param invite makes an invitation for it, if there is no account yet
 */
async function greet(config: Config, address: string, invite: () => Promise<string | null>): Promise<void> {
  const token = config.registration.firstIsAdmin ? null : await invite()
  const link = token === null ? null : `${config.http.publicOrigin ?? reachable(address)}/#/join/${token}`
  process.stderr.write(banner(config, address, link))
}

/** The address as a browser on this machine takes it. */
function reachable(address: string): string {
  return address.replace(/\/\/(0\.0\.0\.0|\[::\])/, '//127.0.0.1')
}

/** The embedded database takes this much until the server is ready. */
const NEEDED_MIB = 300

/** Nobody can report the kernel's kill for want of memory afterwards. */
function warnOfLittleMemory(availableBytes: number, logger: Logger): void {
  const availableMiB = Math.round(availableBytes / 2 ** 20)
  if (availableMiB >= NEEDED_MIB) return
  logger.warn(
    { availableMiB, neededMiB: NEEDED_MIB },
    'the embedded database needs more memory than is free: give the server 512 MB, or the kernel may end it without a message (exit code 137)'
  )
}

/** The address that the operator has asked for: 0.0.0.0 stands for all of the machine. */
function origin(host: string, port: number): string {
  return `http://${isIPv6(host) ? `[${host}]` : host}:${port}`
}

/**
 * Length of the accept queue; the kernel cuts it to `net.core.somaxconn`. With the 511 of Node.js, when
 * thousands of clients reconnect at once, the first packets of all others are dropped, and they retry after
 * 1, 3, 7, 15 and 31 s.
 */
const BACKLOG = 65_535

async function listen(
  app: FastifyInstance,
  { http: { host, port }, logLevel }: Pick<Config, 'http' | 'logLevel'>
): Promise<string> {
  // Fastify has a line for each address of the machine.
  app.log.level = 'warn'
  try {
    return await app.listen({ host, port, backlog: BACKLOG })
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'EADDRINUSE') throw error
    const message = `EADDRINUSE: something listens on ${host}:${port} already. Stop it, or choose another SERVER_PORT.`
    throw new Error(message, { cause: error })
  } finally {
    app.log.level = logLevel
  }
}

function banner({ database, registration, workers }: Config, address: string, link: string | null): string {
  const processes = workers === 1 ? '' : `, ${workers} processes`
  const data =
    database.url === undefined ? `embedded PostgreSQL in ${database.dataDir}` : `PostgreSQL${processes}`
  // Started by npm, in the repository. Where it is installed, and in the image, the program has a name.
  const program = process.env['npm_lifecycle_event'] === undefined ? 'secure-chat' : 'npx secure-chat'
  const url = address === 'http://127.0.0.1:3000' ? '' : ` --url ${address}`
  const help = `in another terminal; ${program} --help has the rest`
  const open = registration.mode === 'open' ? `register alice${url}` : 'join LINK NAME'
  const first =
    link === null
      ? `Try:   ${program} ${open}   ${help}`
      : `The first account is the admin's. This link makes it, once:\n         ${program} join ${link} NAME`
  return `
  Secure Chat is ready on ${address}   (${data})

  ${first}
  Then:  ${program} invite   prints a link for the next person
  Read:  ${address}/docs         every call, with examples

`
}

/** Our own mistakes, and errors that hold a query's parameters. All others say what the operator can do. */
const UNEXPECTED = [TypeError, RangeError, ReferenceError, SyntaxError, DrizzleQueryError]

main().catch((error: unknown) => {
  if (!(error instanceof Error) || UNEXPECTED.some((kind) => error instanceof kind))
    createLogger('fatal').fatal({ err: error }, 'the server could not start')
  else process.stderr.write(`secure-chat: ${error.message}\n`)
  process.exit(1)
})
