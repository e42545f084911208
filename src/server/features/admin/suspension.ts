import { eq, sql } from 'drizzle-orm'
import Type from 'typebox'
import { UserParams } from '../../../protocol/admin.js'
import { record } from '../../access/audit.js'
import { endSessions } from '../../access/sessions.js'
import { sessions, users } from '../../db/schema.js'
import type { App } from '../../http/app.js'
import { problemResponses } from '../../http/problem-responses.js'
import { Problem } from '../../http/problem.js'
import { appendEvents, transaction } from '../../log/append-events.js'
import type { Services } from '../../services.js'
import { lockSubject } from './lock-subject.js'

/** A suspended user has no session, and begins none. Nothing of theirs is deleted. */
export function suspensionRoutes(app: App, services: Pick<Services, 'db' | 'log'>): void {
  app.put(
    '/users/:username/suspension',
    {
      schema: {
        operationId: 'adminSuspendUser',
        summary: 'Suspend a user: all sessions and streams end, and none begins',
        params: UserParams,
        response: {
          204: Type.Null({ description: 'The user is suspended.' }),
          ...problemResponses('user-not-found', 'last-server-admin')
        }
      }
    },
    async (request, reply) => {
      await transaction(services, async (tx) => {
        const { actor, user, isLastAdmin } = await lockSubject(tx, request)
        if (user.suspendedAt !== null) return
        if (isLastAdmin) throw new Problem('last-server-admin')
        await tx
          .update(users)
          .set({ suspendedAt: sql`now()` })
          .where(eq(users.id, user.id))
        const ended = await endSessions(tx, eq(sessions.userId, user.id))
        await record(tx, actor, { action: 'user.suspend', subject: user.id })
        await appendEvents(tx, ended)
      })
      return reply.status(204).send(null)
    }
  )

  app.delete(
    '/users/:username/suspension',
    {
      schema: {
        operationId: 'adminResumeUser',
        summary: 'End the suspension of a user: devices sign in again by themselves',
        params: UserParams,
        response: {
          204: Type.Null({ description: 'The user is not suspended.' }),
          ...problemResponses('user-not-found')
        }
      }
    },
    async (request, reply) => {
      await services.db.transaction(async (tx) => {
        const { actor, user } = await lockSubject(tx, request)
        if (user.suspendedAt === null) return
        await tx.update(users).set({ suspendedAt: null }).where(eq(users.id, user.id))
        await record(tx, actor, { action: 'user.resume', subject: user.id })
      })
      return reply.status(204).send(null)
    }
  )
}
