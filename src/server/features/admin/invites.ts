import Type from 'typebox'
import { AdminInvite, AdminInvitePage, NewAdminInvite } from '../../../protocol/admin.js'
import { UUID } from '../../../protocol/ids.js'
import { PageQuery, Uuid, record as closed, ref } from '../../../protocol/schema.js'
import { record } from '../../access/audit.js'
import { sessionOf } from '../../access/auth.js'
import {
  createInvite,
  inviteView,
  listInvites,
  revokeInvite,
  type ListedInvite
} from '../../access/invites.js'
import type { App } from '../../http/app.js'
import { pageOf } from '../../http/page.js'
import { problemResponses } from '../../http/problem-responses.js'
import { Problem } from '../../http/problem.js'
import type { Services } from '../../services.js'
import { actorIn } from './door.js'

/** All invitations, whoever made them. */
export function inviteRoutes(app: App, { db }: Pick<Services, 'db'>): void {
  app.post(
    '/invites',
    {
      schema: {
        operationId: 'adminCreateInvite',
        summary: 'Make an invitation to register',
        body: ref(NewAdminInvite),
        response: { 201: ref(AdminInvite) }
      }
    },
    async (request, reply) => {
      const { kind, role, maxUses, days } = request.body
      const { invite, token } = await db.transaction(async (tx) => {
        const actor = await actorIn(tx, request)
        const made = await createInvite(tx, { ...request.body, createdBy: actor.id })
        const details = { kind, role, maxUses, days }
        await record(tx, actor, { action: 'invite.create', subject: made.invite.id, details })
        return made
      })
      const createdBy = invite.createdBy === null ? null : sessionOf(request).username
      return reply.status(201).send({ ...adminView({ invite, createdBy, usedBy: [] }), token })
    }
  )

  app.get(
    '/invites',
    {
      schema: {
        operationId: 'adminListInvites',
        summary: 'All invitations, newest first, and who came by them',
        querystring: closed(PageQuery),
        response: { 200: ref(AdminInvitePage), ...problemResponses('invalid-cursor') }
      }
    },
    async (request) => {
      const { limit, cursor } = request.query
      if (cursor !== undefined && !new RegExp(`^${UUID}$`).test(cursor)) throw new Problem('invalid-cursor')
      const place = { limit: limit + 1, ...(cursor !== undefined && { after: cursor }) }
      const found = await listInvites(db, {}, place)
      return pageOf(found, limit, adminView, ({ invite }) => invite.id)
    }
  )

  app.delete(
    '/invites/:id',
    {
      schema: {
        operationId: 'adminRevokeInvite',
        summary: 'Revoke an invitation: it admits nobody any more',
        params: closed({ id: Uuid('The invitation’s id.') }),
        response: {
          204: Type.Null({ description: 'The invitation is revoked.' }),
          ...problemResponses('not-found')
        }
      }
    },
    async (request, reply) => {
      const { id } = request.params
      await db.transaction(async (tx) => {
        const actor = await actorIn(tx, request)
        if (!(await revokeInvite(tx, id, {}))) throw new Problem('not-found', 'There is no such invitation.')
        await record(tx, actor, { action: 'invite.revoke', subject: id })
      })
      return reply.status(204).send(null)
    }
  )
}

const adminView = (listed: ListedInvite) => ({
  ...inviteView(listed),
  createdBy: listed.createdBy,
  role: listed.invite.role
})
