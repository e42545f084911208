import { and, inArray } from 'drizzle-orm'
import { MAX_CIPHERTEXT_BYTES } from '../../../protocol/messages.js'
import { Problem } from '../../http/problem.js'
import { ref } from '../../../protocol/schema.js'
import { Health, ServerInfo } from '../../../protocol/server.js'
import { MAX_MEMBERS, PROTOCOL } from '../../../protocol/statements.js'
import { isAdminNow } from '../../access/accounts.js'
import type { Db } from '../../db/database.js'
import { users } from '../../db/schema.js'
import type { App } from '../../http/app.js'
import { readBounds } from '../../log/read.js'
import { problemResponses } from '../../http/problem-responses.js'
import type { Services } from '../../services.js'
import { VERSION } from '../../../protocol/version.js'

/** Liveness and readiness, for operators of the service. */
export function healthRoutes(
  app: App,
  { database }: Pick<Services, 'database'>,
  isStopping: () => boolean
): void {
  app.get(
    '/healthz',
    {
      config: { limit: false },
      schema: {
        operationId: 'getHealth',
        tags: ['service'],
        summary: 'The process is alive',
        response: { 200: ref(Health) }
      }
    },
    () => ({ status: 'ok' as const })
  )
  app.get(
    '/readyz',
    {
      config: { limit: false },
      schema: {
        operationId: 'getReadiness',
        tags: ['service'],
        summary:
          'The database answers and takes writes, migrations are applied, and the server is not stopping',
        response: { 200: ref(Health), ...problemResponses('database-unavailable', 'stopping') }
      }
    },
    async () => {
      if (isStopping()) throw new Problem('stopping')
      await readBounds(database.prepared)
      await database.requireWritable()
      return { status: 'ok' as const }
    }
  )
}

/** Properties of the server that a client should know before anything else. */
export function serverRoutes(
  app: App,
  { config, db, notices }: Pick<Services, 'config' | 'db' | 'notices'>
): void {
  app.get(
    '/server',
    {
      schema: {
        operationId: 'getServer',
        tags: ['service'],
        summary: 'Name, version, limits and time of the server, and what its operator tells all users',
        response: { 200: ref(ServerInfo) }
      }
    },
    async () => ({
      name: 'secure-chat',
      version: VERSION,
      protocol: PROTOCOL,
      registration: config.registration.mode,
      moderators: await readModerators(db, config.admin.moderators),
      limits: {
        ciphertextBytes: MAX_CIPHERTEXT_BYTES,
        members: MAX_MEMBERS,
        devices: config.devices.maxPerUser,
        rsaKeyBits: config.devices.minRsaBits
      },
      notice: notices.current,
      time: new Date().toISOString()
    })
  )
}

/** Those of the named users who are admins now. */
async function readModerators(db: Db, names: readonly string[]): Promise<string[]> {
  if (names.length === 0) return []
  const found = await db
    .select({ username: users.username })
    .from(users)
    .where(and(inArray(users.username, [...names]), isAdminNow))
    .orderBy(users.username)
  return found.map(({ username }) => username)
}
