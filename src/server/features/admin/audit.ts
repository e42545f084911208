import { inArray } from 'drizzle-orm'
import {
  AuditPage,
  AuditQuery,
  AuditVerification,
  AuditVerificationQuery
} from '../../../protocol/admin-server.js'
import { ref } from '../../../protocol/schema.js'
import { readAudit, verifyAudit } from '../../access/audit.js'
import { requireUser } from '../../chains/users.js'
import type { Db } from '../../db/database.js'
import { users } from '../../db/schema.js'
import type { App } from '../../http/app.js'
import { problemResponses } from '../../http/problem-responses.js'
import { Problem } from '../../http/problem.js'
import type { Services } from '../../services.js'

/** Rows that one call verifies. */
const VERIFIED_AT_ONCE = 2000

/** What admins and operators did. */
export function auditRoutes(app: App, { db }: Pick<Services, 'db'>): void {
  app.get(
    '/audit',
    {
      schema: {
        operationId: 'adminListAudit',
        summary: 'The audit, newest first',
        querystring: AuditQuery,
        response: { 200: ref(AuditPage), ...problemResponses('invalid-cursor', 'user-not-found') }
      }
    },
    async (request) => {
      const { subject, actor, action, limit, cursor } = request.query
      if (cursor !== undefined && !/^[1-9]\d{0,14}$/.test(cursor)) throw new Problem('invalid-cursor')
      const which = {
        ...(subject !== undefined && { subject: (await requireUser(db, subject)).id }),
        ...(actor !== undefined && { actor: (await requireUser(db, actor)).id }),
        ...(action !== undefined && { action })
      }
      const place = { limit: limit + 1, ...(cursor !== undefined && { before: Number(cursor) }) }
      const found = await readAudit(db, which, place)
      const shown = found.slice(0, limit)
      const nameOf = await names(
        db,
        shown.flatMap((row) => [row.actor, row.subject])
      )
      const items = shown.map(({ id, at, actorKind, action, details, address, hash, ...row }) => ({
        id,
        at: at.toISOString(),
        actorKind,
        actor: nameOf(row.actor),
        action,
        subject: nameOf(row.subject),
        details: details as Record<string, unknown> | null,
        address,
        hash: hash.toString('hex')
      }))
      return { items, next: found.length > limit ? String(items.at(-1)!.id) : null }
    }
  )

  app.get(
    '/audit/verification',
    {
      schema: {
        operationId: 'adminVerifyAudit',
        summary: 'Check that no row of the audit was changed or taken away',
        description:
          'A call looks at 2,000 rows. Begin at the row that you kept last time, with its hash: if the newest rows are ' +
          'gone since, only that shows it.',
        querystring: AuditVerificationQuery,
        response: { 200: ref(AuditVerification) }
      }
    },
    (request) => verifyAudit(db, request.query, VERIFIED_AT_ONCE)
  )
}

/** The names of users by their ids; what is no user's keeps its id. */
async function names(db: Db, ids: (string | null)[]): Promise<(id: string | null) => string | null> {
  const given = [...new Set(ids.filter((id) => id !== null))]
  const rows =
    given.length === 0
      ? []
      : await db
          .select({ id: users.id, username: users.username })
          .from(users)
          .where(inArray(users.id, given))
  const known = new Map(rows.map(({ id, username }) => [id, username]))
  return (id) => (id === null ? null : (known.get(id) ?? id))
}
