import { eq, sql } from 'drizzle-orm'
import type { FastifyRequest } from 'fastify'
import { OPERATOR, userActor, type Actor } from '../../access/audit.js'
import { sessionOf } from '../../access/auth.js'
import type { Db } from '../../db/database.js'
import { sessions, users } from '../../db/schema.js'
import type { App } from '../../http/app.js'
import { joinResponses, problemResponses } from '../../http/problem-responses.js'
import { Problem } from '../../http/problem.js'

declare module 'fastify' {
  interface FastifyRequest {
    /** Set on every call of the administration. */
    actor: Actor | null
  }
}

/** For so long after its begin a session may administrate. */
export const ADMIN_SESSION_MINUTES = 10

/** Who asks. */
export function actorOf({ actor }: FastifyRequest): Actor {
  if (actor === null) throw new Problem('unauthenticated')
  return actor
}

/** The routes registered after this take an admin in a young session. A parent has the session. */
export function requireAdmin(app: App, db: Db): void {
  app.decorateRequest('actor', null)
  app.addHook('onRoute', (route) => {
    const own = (route.schema?.response ?? {}) as Record<string, object>
    const more = problemResponses('server-admin-required', 'fresh-sign-in-required')
    route.schema = { ...route.schema, tags: ['admin'], response: joinResponses(own, more) }
  })
  // After the rate limits, and before a body is read.
  app.addHook('preParsing', async (request) => {
    const session = sessionOf(request)
    // Roles change, and only this asks for them: so they are asked of the database, and not kept in memory.
    const [found] = await db
      .select({
        role: users.role,
        isFresh: sql<boolean>`${sessions.createdAt} > now() - ${ADMIN_SESSION_MINUTES} * interval '1 minute'`
      })
      .from(sessions)
      .innerJoin(users, eq(users.id, sessions.userId))
      .where(eq(sessions.id, session.id))
    if (found === undefined) throw new Problem('session-ended')
    if (found.role !== 'admin') throw new Problem('server-admin-required')
    if (!found.isFresh) throw new Problem('fresh-sign-in-required')
    request.actor = userActor(session, request)
  })
}

/** The routes registered after this are for whoever reaches them: the operator, at the socket. */
export function admitOperator(app: App): void {
  app.decorateRequest('actor', null)
  app.addHook('onRequest', (request, _reply, done) => {
    request.actor = OPERATOR
    done()
  })
}
