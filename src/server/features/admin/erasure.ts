import Type from 'typebox'
import { UserParams } from '../../../protocol/admin.js'
import { requireOtherAdmin } from '../../access/accounts.js'
import { record } from '../../access/audit.js'
import { eraseUser } from '../../access/erasure.js'
import type { App } from '../../http/app.js'
import { problemResponses } from '../../http/problem-responses.js'
import { appendEvents, transaction } from '../../log/append-events.js'
import type { Services } from '../../services.js'
import { lockSubject } from './lock-subject.js'

/** An account goes for good. */
export function erasureRoutes(app: App, services: Pick<Services, 'db' | 'erasedRows' | 'log'>): void {
  app.delete(
    '/users/:username',
    {
      schema: {
        operationId: 'adminEraseUser',
        summary: 'Erase an account for good',
        description:
          'The name, which nobody gets again, the chain and its public keys stay, so that others go on verifying. The ' +
          'devices stay in the rosters until a member removes the user: an admin cannot sign for them.',
        params: UserParams,
        response: {
          204: Type.Null({ description: 'The account is erased.' }),
          ...problemResponses('user-not-found', 'last-server-admin')
        }
      }
    },
    async (request, reply) => {
      await transaction(services, async (tx) => {
        const { actor, user } = await lockSubject(tx, request)
        await requireOtherAdmin(tx, user.id)
        const events = await eraseUser(tx, user.id)
        await record(tx, actor, { action: 'user.erase', subject: user.id })
        await appendEvents(tx, events)
      })
      services.erasedRows.soon()
      return reply.status(204).send(null)
    }
  )
}
