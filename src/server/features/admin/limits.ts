import { eq } from 'drizzle-orm'
import Type from 'typebox'
import { CountedLimits, UserParams } from '../../../protocol/admin.js'
import { ref } from '../../../protocol/schema.js'
import { record } from '../../access/audit.js'
import { requireUser, type UserRow } from '../../chains/users.js'
import type { Tx } from '../../db/database.js'
import { devices, sessions } from '../../db/schema.js'
import type { App } from '../../http/app.js'
import { problemResponses } from '../../http/problem-responses.js'
import { appendEvents, transaction } from '../../log/append-events.js'
import type { Services } from '../../services.js'
import { actorIn } from './door.js'
import { lockSubject } from './lock-subject.js'

/** What counts against a user at the moment. */
export function limitRoutes(app: App, services: Pick<Services, 'attempts' | 'db' | 'log'>): void {
  const { attempts, db } = services
  app.get(
    '/users/:username/limits',
    {
      schema: {
        operationId: 'adminListLimits',
        summary: 'What counts against a user at the moment; the audit remembers it',
        params: UserParams,
        response: { 200: ref(CountedLimits), ...problemResponses('user-not-found') }
      }
    },
    async (request) => {
      const owners = await db.transaction(async (tx) => {
        const actor = await actorIn(tx, request)
        const user = await requireUser(tx, request.params.username)
        await record(tx, actor, { action: 'user.limits', subject: user.id })
        return ownersOf(tx, user)
      })
      const counted = (await attempts.ofOwners(owners)).map(({ name, count, ttl }) => ({
        name,
        used: count,
        max: attempts.of(name).max,
        until: new Date(Date.now() + ttl).toISOString()
      }))
      return { items: counted.filter(({ max }) => Number.isFinite(max)), next: null }
    }
  )

  app.delete(
    '/users/:username/limits',
    {
      schema: {
        operationId: 'adminResetLimits',
        summary: 'Let nothing count against a user',
        params: UserParams,
        response: {
          204: Type.Null({ description: 'Nothing counts any more, on all processes within a second.' }),
          ...problemResponses('user-not-found')
        }
      }
    },
    async (request, reply) => {
      await transaction(services, async (tx) => {
        const { actor, user } = await lockSubject(tx, request)
        const event = await attempts.reset(tx, await ownersOf(tx, user))
        await record(tx, actor, { action: 'user.reset-limits', subject: user.id })
        await appendEvents(tx, [event])
      })
      return reply.status(204).send(null)
    }
  )
}

/** The owners of counters: the user, the name that passwords are tried for, devices and sessions. */
async function ownersOf(tx: Tx, { id, username }: UserRow): Promise<string[]> {
  const owned = [
    ...(await tx.select({ id: devices.id }).from(devices).where(eq(devices.userId, id))),
    ...(await tx.select({ id: sessions.id }).from(sessions).where(eq(sessions.userId, id)))
  ]
  return [id, username, ...owned.map((one) => one.id)]
}
