import { and, eq, isNotNull, isNull, sql } from 'drizzle-orm'
import Type from 'typebox'
import { AdminUser, AdminUserPage, AdminUsersQuery, RoleChange, UserParams } from '../../../protocol/admin.js'
import { USERNAME } from '../../../protocol/ids.js'
import { ref } from '../../../protocol/schema.js'
import { record } from '../../access/audit.js'
import { requireUser, usersByPrefix, type UserRow } from '../../chains/users.js'
import type { Db } from '../../db/database.js'
import { blocks, devices, invites, inviteUses, memberships, sessions, users } from '../../db/schema.js'
import type { App } from '../../http/app.js'
import { pageOf } from '../../http/page.js'
import { problemResponses } from '../../http/problem-responses.js'
import { Problem } from '../../http/problem.js'
import type { Services } from '../../services.js'
import { actorIn } from './door.js'
import { lockSubject } from './lock-subject.js'

/** Accounts and their roles. */
export function userRoutes(app: App, { db }: Pick<Services, 'db'>): void {
  app.get(
    '/users',
    {
      schema: {
        operationId: 'adminListUsers',
        summary: 'Accounts in the order of their names',
        querystring: AdminUsersQuery,
        response: { 200: ref(AdminUserPage), ...problemResponses('invalid-cursor') }
      }
    },
    async (request) => {
      const { prefix = '', limit, cursor = '' } = request.query
      if (cursor !== '' && !new RegExp(`^${USERNAME}$`).test(cursor)) throw new Problem('invalid-cursor')
      const found = await usersByPrefix(db, prefix, { after: cursor, limit: limit + 1, withErased: true })
      return pageOf(found, limit, userView, ({ username }) => username)
    }
  )

  app.get(
    '/users/:username',
    {
      schema: {
        operationId: 'adminGetUser',
        summary: 'What the server knows of an account; the audit remembers that it was looked at',
        params: UserParams,
        response: { 200: ref(AdminUser), ...problemResponses('user-not-found') }
      }
    },
    (request) =>
      db.transaction(async (tx) => {
        const actor = await actorIn(tx, request)
        const user = await requireUser(tx, request.params.username)
        const known = await readKnown(tx, user.id)
        await record(tx, actor, { action: 'user.show', subject: user.id })
        return { ...userView(user), ...known }
      })
  )

  app.put(
    '/users/:username/role',
    {
      schema: {
        operationId: 'adminSetRole',
        summary: 'Make a user admin of the server, or a member again',
        params: UserParams,
        body: ref(RoleChange),
        response: {
          204: Type.Null({ description: 'The user has the role.' }),
          ...problemResponses('user-not-found', 'last-server-admin')
        }
      }
    },
    async (request, reply) => {
      const { role } = request.body
      await db.transaction(async (tx) => {
        const { actor, user, isLastAdmin } = await lockSubject(tx, request)
        if (user.role === role) return
        if (role === 'member' && isLastAdmin) throw new Problem('last-server-admin')
        await tx.update(users).set({ role }).where(eq(users.id, user.id))
        await record(tx, actor, { action: 'user.role', subject: user.id, details: { role } })
      })
      return reply.status(204).send(null)
    }
  )
}

function userView({ id, username, role, kind, createdAt, suspendedAt, erasedAt }: UserRow) {
  return {
    id,
    username,
    role,
    kind,
    createdAt: createdAt.toISOString(),
    // An erased account counts as suspended for a while.
    suspendedAt: erasedAt === null ? (suspendedAt?.toISOString() ?? null) : null,
    erasedAt: erasedAt?.toISOString() ?? null
  }
}

/** What is known of an account besides its own row. */
async function readKnown(db: Db, userId: string) {
  const isUsed = sql`${sessions.expiresAt} > now()`
  const [seen] = await db
    .select({
      sessions: sql<number>`count(*) filter (where ${isUsed})::int`,
      lastUsedAt: sql<Date | null>`max(${sessions.lastUsedAt})`.mapWith(sessions.lastUsedAt)
    })
    .from(sessions)
    .where(eq(sessions.userId, userId))
  const [owned] = await db
    .select({
      active: countOf('active'),
      pending: countOf('pending'),
      revoked: countOf('revoked'),
      seenAt: sql<Date | null>`max(${devices.seenAt})`.mapWith(devices.seenAt)
    })
    .from(devices)
    .where(eq(devices.userId, userId))
  const [joined] = await db
    .select({ conversations: sql<number>`count(*)::int` })
    .from(memberships)
    .where(and(eq(memberships.userId, userId), isNull(memberships.leftAt)))
  const { requestedBy, leftAt } = memberships
  const requestsSent = await db.$count(
    memberships,
    and(isNull(leftAt), isNotNull(requestedBy), eq(requestedBy, userId))
  )
  const blockedBy = await db.$count(blocks, eq(blocks.blockedId, userId))
  const [invited] = await db
    .select({ invite: inviteUses.inviteId, username: users.username })
    .from(inviteUses)
    .innerJoin(invites, eq(invites.id, inviteUses.inviteId))
    .leftJoin(users, eq(users.id, invites.createdBy))
    .where(eq(inviteUses.userId, userId))
  const { seenAt, ...counts } = owned!
  const times = [seen!.lastUsedAt, seenAt].flatMap((time) => time?.getTime() ?? [])
  return {
    lastSeenAt: times.length === 0 ? null : new Date(Math.max(...times)).toISOString(),
    devices: counts,
    sessions: seen!.sessions,
    conversations: joined!.conversations,
    requestsSent,
    blockedBy,
    invitedBy: invited ?? null
  }
}

const countOf = (status: 'active' | 'pending' | 'revoked') =>
  sql<number>`count(*) filter (where ${devices.status} = ${status})::int`
