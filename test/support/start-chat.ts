import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type {} from '@fastify/jwt'
import type {} from '@fastify/swagger'
import type { DestinationStream } from 'pino'
import type { Test } from 'tap'
import { buildApp } from '../../src/server/app.js'
import type { App } from '../../src/server/http/app.js'
import { readConfig } from '../../src/server/config.js'
import { createLogger } from '../../src/server/logger.js'
import { openServices, type Services } from '../../src/server/services.js'
import { emptyDatabase } from './database-for-tests.js'
import { requireDocumented, type Paths } from './documented.js'
import { InteropClient } from './interop/client.js'

export interface Chat {
  app: App
  services: Services
  /** Where the app listens. */
  url: string
  /** A user with one device, registered. */
  user: (name: string) => Promise<InteropClient>
}

/** Made once for all servers of a process: it takes a tenth of a start. */
let documented: Paths | undefined

/**
 * The whole server in this process, on a database of its own unless `DATABASE_URL` is given. It ends with the
 * test.
 */
export async function startChat(
  t: Test,
  env: Record<string, string> = {},
  log?: DestinationStream
): Promise<Chat> {
  const dataDir = await mkdtemp(join(tmpdir(), 'secure-chat-test-'))
  const database = await emptyDatabase(dataDir, env)
  const { passwords, registration, ...others } = readConfig({
    DATA_DIR: dataDir,
    SERVER_PORT: '0',
    RATE_LIMIT: 'off',
    // Most tests are about people who know each other.
    CONTACT_POLICY: 'everyone',
    LOG_LEVEL: 'fatal',
    REGISTRATION: 'open',
    ...env,
    ...database
  })
  // An operator may not set so few: a hash would take a tenth of a second, and there are a thousand.
  const iterations = 'PASSWORD_ITERATIONS' in env ? passwords.iterations : 1000
  // Most tests are about people who are alike. A test of the first account says REGISTRATION.
  const firstIsAdmin = 'REGISTRATION' in env && registration.firstIsAdmin
  const config = {
    ...others,
    passwords: { ...passwords, iterations },
    registration: { ...registration, firstIsAdmin }
  }
  const services = await openServices(config, createLogger(config.logLevel, log))
  const app = await buildApp(services)
  const url = await app.listen({ host: '127.0.0.1', port: 0 })
  documented ??= app.swagger().paths as Paths
  requireDocumented(t, app.server, documented)
  const clients: InteropClient[] = []
  t.teardown(async () => {
    for (const client of clients) client.close()
    await app.close()
    await rm(dataDir, { recursive: true, force: true })
  })
  return {
    app,
    services,
    url,
    async user(name) {
      const client = await InteropClient.registered(url, name)
      clients.push(client)
      return client
    }
  }
}
