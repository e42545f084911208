import { and, eq, inArray, type SQL } from 'drizzle-orm'
import Type from 'typebox'
import { AdminSessionPage, UserParams } from '../../../protocol/admin.js'
import { Uuid, record as closed, ref } from '../../../protocol/schema.js'
import { record } from '../../access/audit.js'
import { endSessions, logOutDevices, openSessions } from '../../access/sessions.js'
import { requireUser } from '../../chains/users.js'
import type { Tx } from '../../db/database.js'
import { devices, sessions } from '../../db/schema.js'
import type { App } from '../../http/app.js'
import { problemResponses } from '../../http/problem-responses.js'
import { Problem } from '../../http/problem.js'
import { appendEvents, transaction } from '../../log/append-events.js'
import type { Services } from '../../services.js'
import { actorIn } from './door.js'
import { lockSubject } from './lock-subject.js'

/** Where users are logged in. */
export function sessionRoutes(app: App, services: Pick<Services, 'db' | 'log'>): void {
  app.get(
    '/users/:username/sessions',
    {
      schema: {
        operationId: 'adminListSessions',
        summary: 'A user’s sessions, most recently used first; the audit remembers it',
        params: UserParams,
        response: { 200: ref(AdminSessionPage), ...problemResponses('user-not-found') }
      }
    },
    (request) =>
      services.db.transaction(async (tx) => {
        const actor = await actorIn(tx, request)
        const { id } = await requireUser(tx, request.params.username)
        const items = await openSessions(tx, id)
        await record(tx, actor, { action: 'user.sessions', subject: id })
        return { items, next: null }
      })
  )

  app.delete(
    '/users/:username/sessions',
    {
      schema: {
        operationId: 'adminEndSessions',
        summary: 'End all sessions of a user: the next log-in takes the password',
        params: UserParams,
        response: {
          204: Type.Null({ description: 'All sessions and their streams have ended.' }),
          ...problemResponses('user-not-found')
        }
      }
    },
    async (request, reply) => {
      await transaction(services, async (tx) => {
        const { actor, user } = await lockSubject(tx, request)
        await logOutDevices(tx, eq(devices.userId, user.id))
        const ended = await endSessions(tx, eq(sessions.userId, user.id))
        await record(tx, actor, { action: 'user.end-sessions', subject: user.id })
        await appendEvents(tx, ended)
      })
      return reply.status(204).send(null)
    }
  )

  app.delete(
    '/users/:username/sessions/:id',
    {
      schema: {
        operationId: 'adminEndSession',
        summary: 'End a session of a user: its device needs the password to log in again',
        params: closed({ ...UserParams.properties, id: Uuid('The session’s id.') }),
        response: {
          204: Type.Null({ description: 'The session and its streams have ended.' }),
          ...problemResponses('user-not-found', 'session-not-found')
        }
      }
    },
    async (request, reply) => {
      const { id } = request.params
      await transaction(services, async (tx) => {
        const { actor, user } = await lockSubject(tx, request)
        const one = and(eq(sessions.id, id), eq(sessions.userId, user.id))!
        await logOutDevices(tx, deviceOf(tx, one))
        const ended = await endSessions(tx, one)
        if (ended.length === 0) throw new Problem('session-not-found', 'The user has no such session.')
        const details = { session: id }
        await record(tx, actor, { action: 'user.end-session', subject: user.id, details })
        await appendEvents(tx, ended)
      })
      return reply.status(204).send(null)
    }
  )
}

function deviceOf(tx: Tx, session: SQL): SQL {
  return inArray(devices.id, tx.select({ id: sessions.deviceId }).from(sessions).where(session))
}
