import type { FastifyRequest } from 'fastify'
import Type from 'typebox'
import { NewNotice } from '../../../protocol/admin-server.js'
import { ref } from '../../../protocol/schema.js'
import { record } from '../../access/audit.js'
import { changeNotice } from '../../access/notice.js'
import type { App } from '../../http/app.js'
import { appendEvents, transaction } from '../../log/append-events.js'
import type { Services } from '../../services.js'
import { actorIn } from './door.js'

/** What the operator tells all users. `GET /v1/server` shows it. */
export function noticeRoutes(app: App, services: Pick<Services, 'db' | 'log'>): void {
  const change = (request: FastifyRequest, action: string, text: string | null) =>
    transaction(services, async (tx) => {
      const actor = await actorIn(tx, request)
      const event = await changeNotice(tx, text)
      await record(tx, actor, { action, subject: null })
      await appendEvents(tx, [event])
    })

  app.put(
    '/notice',
    {
      schema: {
        operationId: 'adminSetNotice',
        summary: 'Tell all users something, in plain text. It takes the place of the one before',
        body: ref(NewNotice),
        response: {
          204: Type.Null({ description: 'Clients see it when they ask for the server’s properties.' })
        }
      }
    },
    async (request, reply) => {
      await change(request, 'notice.set', request.body.text)
      return reply.status(204).send(null)
    }
  )

  app.delete(
    '/notice',
    {
      schema: {
        operationId: 'adminClearNotice',
        summary: 'Take the notice away',
        response: { 204: Type.Null({ description: 'There is no notice.' }) }
      }
    },
    async (request, reply) => {
      await change(request, 'notice.clear', null)
      return reply.status(204).send(null)
    }
  )
}
