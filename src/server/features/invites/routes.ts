import Type from 'typebox'
import { CreatedInvite, InvitePage, NewInvite } from '../../../protocol/invites.js'
import { UUID } from '../../../protocol/ids.js'
import { PageQuery, Uuid, record, ref } from '../../../protocol/schema.js'
import { lockOwnAccount } from '../../access/accounts.js'
import { deviceSessionOf, sessionOf } from '../../access/auth.js'
import { spendInTransaction } from '../../access/daily-budget.js'
import { createInvite, inviteView, listInvites, revokeInvite } from '../../access/invites.js'
import type { App } from '../../http/app.js'
import { pageOf } from '../../http/page.js'
import { problemResponses } from '../../http/problem-responses.js'
import { Problem } from '../../http/problem.js'
import type { Services } from '../../services.js'

const params = record({ id: Uuid('The invitation’s id.') })

/** The caller's invitations to register. */
export function inviteRoutes(
  app: App,
  { attempts, config, db }: Pick<Services, 'attempts' | 'config' | 'db'>
): void {
  const bounds = config.invites
  const made = attempts.of('invites')

  app.post(
    '/invites',
    {
      schema: {
        operationId: 'createInvite',
        tags: ['invitations'],
        summary: 'Make an invitation to register',
        description: 'The answer has its token, which is shown only this once.',
        body: ref(NewInvite),
        response: {
          201: ref(CreatedInvite),
          ...problemResponses('device-required', 'device-pending', 'registration-closed', 'limit-reached')
        }
      }
    },
    async (request, reply) => {
      const session = deviceSessionOf(request)
      const { userId } = session
      const { maxUses = 1, days = 7, note = '', kind = 'member' } = request.body
      requireBounds(bounds, { maxUses, days })
      const { invite, token } = await spendInTransaction(
        (change) => db.transaction(change),
        async (tx, spend) => {
          const { role } = await lockOwnAccount(tx, session)
          if (config.registration.mode === 'closed' && role !== 'admin')
            throw new Problem('registration-closed')
          spend({ counter: made, userId, amount: 1, may: 'You may make', things: 'invitations' })
          return createInvite(tx, { createdBy: userId, note, maxUses, days, kind, role: 'member' })
        }
      )
      return reply.status(201).send({ ...inviteView({ invite, usedBy: [] }), token })
    }
  )

  app.get(
    '/invites',
    {
      schema: {
        operationId: 'listInvites',
        tags: ['invitations'],
        summary: 'The caller’s invitations, newest first, and who came by them',
        querystring: record(PageQuery),
        response: { 200: ref(InvitePage), ...problemResponses('invalid-cursor') }
      }
    },
    async (request) => {
      const { limit, cursor } = request.query
      if (cursor !== undefined && !new RegExp(`^${UUID}$`).test(cursor)) throw new Problem('invalid-cursor')
      const createdBy = sessionOf(request).userId
      const after = cursor === undefined ? {} : { after: cursor }
      const found = await listInvites(db, { createdBy }, { ...after, limit: limit + 1 })
      return pageOf(found, limit, inviteView, ({ invite }) => invite.id)
    }
  )

  app.delete(
    '/invites/:id',
    {
      schema: {
        operationId: 'revokeInvite',
        tags: ['invitations'],
        summary: 'Revoke one of the caller’s invitations',
        description: 'It admits nobody any more. Those who came by it stay.',
        params,
        response: {
          204: Type.Null({ description: 'It admits nobody.' }),
          ...problemResponses('invite-not-found')
        }
      }
    },
    async (request, reply) => {
      const createdBy = sessionOf(request).userId
      if (!(await revokeInvite(db, request.params.id, { createdBy }))) throw new Problem('invite-not-found')
      return reply.status(204).send(null)
    }
  )
}

/** @throws {Problem} `limit-reached` */
function requireBounds(
  { maxUses, maxDays }: { maxUses: number; maxDays: number },
  given: { maxUses: number; days: number }
): void {
  if (given.maxUses > maxUses)
    throw new Problem('limit-reached', `An invitation has at most ${maxUses} uses on this server.`)
  if (given.days > maxDays)
    throw new Problem('limit-reached', `An invitation lives for at most ${maxDays} days on this server.`)
}
