import Type from 'typebox'
import { MessageParams } from '../../../protocol/admin.js'
import { record } from '../../access/audit.js'
import type { App } from '../../http/app.js'
import { problemResponses } from '../../http/problem-responses.js'
import { Problem } from '../../http/problem.js'
import { appendEvents, transaction } from '../../log/append-events.js'
import { deleteMessage } from '../../log/delete-message.js'
import type { Services } from '../../services.js'
import { actorIn } from './door.js'

/** Nobody here can read a message, but an admin can take one away. */
export function messageRoutes(app: App, services: Pick<Services, 'db' | 'log'>): void {
  app.delete(
    '/messages/:messageId',
    {
      schema: {
        operationId: 'adminPurgeMessage',
        summary: 'Delete the ciphertext of a message for good: its readers see that the server did',
        params: MessageParams,
        response: {
          204: Type.Null({ description: 'The message is deleted.' }),
          ...problemResponses('message-not-found')
        }
      }
    },
    async (request, reply) => {
      const { messageId } = request.params
      await transaction(services, async (tx) => {
        const actor = await actorIn(tx, request)
        const event = await deleteMessage(tx, messageId)
        if (event === 'not-found') throw new Problem('message-not-found')
        if (event === null) return
        await record(tx, actor, { action: 'message.purge', subject: messageId })
        await appendEvents(tx, [event])
      })
      return reply.status(204).send(null)
    }
  )
}
