import { and, eq, inArray, ne, not, sql, type SQL } from 'drizzle-orm'
import Type from 'typebox'
import { SessionPage } from '../../../protocol/accounts.js'
import { Problem } from '../../http/problem.js'
import { Uuid, record, ref } from '../../../protocol/schema.js'
import type { App } from '../../http/app.js'
import { sessionOf } from '../../access/auth.js'
import { devices, sessions } from '../../db/schema.js'
import { appendEvents, transaction } from '../../log/append-events.js'
import { problemResponses } from '../../http/problem-responses.js'
import type { Services } from '../../services.js'
import { endSessions, logOutDevices, openSessions, type ActiveSession } from '../../access/sessions.js'
import type { Tx } from '../../db/database.js'

/** Logging out, and the sessions in which a user is logged in. */
export function sessionRoutes(app: App, services: Pick<Services, 'db' | 'log'>): void {
  app.post(
    '/auth/logout',
    {
      // A device that was stolen must not hold it up.
      config: { share: 0 },
      schema: {
        operationId: 'logOut',
        tags: ['accounts'],
        summary: 'End this session',
        description: 'Its device needs the password to log in again.',
        response: { 204: Type.Null({ description: 'The session and its streams have ended.' }) }
      }
    },
    async (request, reply) => {
      const { id, deviceId } = sessionOf(request)
      await transaction(services, async (tx) => {
        if (deviceId !== null) await logOutDevices(tx, eq(devices.id, deviceId))
        await appendEvents(tx, await endSessions(tx, eq(sessions.id, id)))
      })
      return reply.status(204).send(null)
    }
  )

  app.get(
    '/auth/sessions',
    {
      schema: {
        operationId: 'listSessions',
        tags: ['accounts'],
        summary: 'The caller’s sessions, most recently used first',
        response: { 200: ref(SessionPage) }
      }
    },
    async (request) => {
      const { id, userId } = sessionOf(request)
      const open = await openSessions(services.db, userId)
      const items = open.map((session) => ({ ...session, current: session.id === id }))
      return { items, next: null }
    }
  )

  app.delete(
    '/auth/sessions/:id',
    {
      // A device that was stolen must not hold it up.
      config: { share: 0 },
      schema: {
        operationId: 'endSession',
        tags: ['accounts'],
        summary: 'End one of the caller’s sessions and its streams',
        description: 'If it is of another device, that one needs the password to log in again.',
        params: record({ id: Uuid('The session’s id.') }),
        response: {
          204: Type.Null({ description: 'The session and its streams have ended.' }),
          ...problemResponses('session-not-found')
        }
      }
    },
    async (request, reply) => {
      const own = sessionOf(request)
      const mine = and(eq(sessions.id, request.params.id), eq(sessions.userId, own.userId))!
      await transaction(services, async (tx) => {
        await logOutDevices(tx, loggedOutWith(tx, mine, own))
        const ended = await endSessions(tx, mine)
        if (ended.length === 0) throw new Problem('session-not-found')
        await appendEvents(tx, ended)
      })
      return reply.status(204).send(null)
    }
  )
}

/** SQL: the device of a session. An old session of the caller's own device goes without logging that out. */
function loggedOutWith(tx: Tx, session: SQL, own: ActiveSession): SQL {
  const isOld = and(sql`${sessions.deviceId} is not distinct from ${own.deviceId}`, ne(sessions.id, own.id))!
  return inArray(
    devices.id,
    tx
      .select({ id: sessions.deviceId })
      .from(sessions)
      .where(and(session, not(isOld)))
  )
}
