import { eq, sql } from 'drizzle-orm'
import type { FastifyRequest } from 'fastify'
import { holdAdmins } from '../../access/accounts.js'
import { OPERATOR, userActor, type Actor } from '../../access/audit.js'
import { sessionOf } from '../../access/auth.js'
import type { Db, Tx } from '../../db/database.js'
import { sessions, users } from '../../db/schema.js'
import type { App } from '../../http/app.js'
import { joinResponses, problemResponses } from '../../http/problem-responses.js'
import { Problem } from '../../http/problem.js'

declare module 'fastify' {
  interface FastifyRequest {
    /** Whether the operator asks, at the socket. */
    isOperator: boolean
  }
}

/** For so long after its begin a session may administrate. */
export const ADMIN_SESSION_MINUTES = 10

/** Who acts in this transaction. Until it ends they stay what they are. @throws {Problem} as the door does */
export async function actorIn(tx: Tx, request: FastifyRequest): Promise<Actor> {
  if (request.isOperator) return OPERATOR
  await holdAdmins(tx)
  await requireAdminNow(tx, request)
  return userActor(sessionOf(request), request)
}

/** The routes registered after this take an admin in a young session. A parent has the session. */
export function requireAdmin(app: App, db: Db): void {
  app.decorateRequest('isOperator', false)
  app.addHook('onRoute', (route) => {
    const own = (route.schema?.response ?? {}) as Record<string, object>
    const more = problemResponses('server-admin-required', 'fresh-sign-in-required')
    route.schema = { ...route.schema, tags: ['admin'], response: joinResponses(own, more) }
  })
  // After all that a request waits for, and before its body says anything.
  app.addHook('preValidation', (request) => requireAdminNow(db, request))
}

/**
 * Roles change, and only the administration asks for them: so they are asked of the database, and not kept in memory.
 *
 * @throws {Problem} `session-ended`, `server-admin-required`, `fresh-sign-in-required`
 */
async function requireAdminNow(db: Db, request: FastifyRequest): Promise<void> {
  const [found] = await db
    .select({
      role: users.role,
      isFresh: sql<boolean>`${sessions.createdAt} > now() - ${ADMIN_SESSION_MINUTES} * interval '1 minute'`
    })
    .from(sessions)
    .innerJoin(users, eq(users.id, sessions.userId))
    .where(eq(sessions.id, sessionOf(request).id))
  if (found === undefined) throw new Problem('session-ended')
  if (found.role !== 'admin') throw new Problem('server-admin-required')
  if (!found.isFresh) throw new Problem('fresh-sign-in-required')
}

/** The routes registered after this are for whoever reaches them: the operator, at the socket. */
export function admitOperator(app: App): void {
  app.decorateRequest('isOperator', true)
}
