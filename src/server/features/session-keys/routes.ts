import Type from 'typebox'
import { NewWraps, SessionKeyPage, SessionKeyResponse } from '../../../protocol/conversations.js'
import { SHA256_HEX, UUID } from '../../../protocol/ids.js'
import { PageQuery, Uuid, record, ref } from '../../../protocol/schema.js'
import { deviceSessionOf } from '../../access/auth.js'
import { requireMember } from '../../chains/memberships.js'
import type { App } from '../../http/app.js'
import { Problem } from '../../http/problem.js'
import { problemResponses } from '../../http/problem-responses.js'
import { transaction } from '../../log/append-events.js'
import type { Services } from '../../services.js'
import { addWraps } from './add-wraps.js'
import { markFetched, readSessionKey, readSessionKeys } from './queries.js'

/** Bytes of a body with the most wraps that are added at once. */
export const LATER_WRAPS_BODY_LIMIT = 2 ** 19

const params = record({ id: Uuid('The conversation’s id.') })
const keyParams = record({
  ...params.properties,
  keyId: Type.String({
    pattern: `^(?:${UUID}|${SHA256_HEX})$`,
    description: 'The session key’s id, or the hash of its statement.',
    examples: ['0198c6f2-7b1e-7c55-9d2a-3f1f0c5a9e01']
  })
})

export function sessionKeyRoutes(app: App, services: Pick<Services, 'database' | 'db' | 'log'>): void {
  const { db } = services
  const { prepared } = services.database

  app.get(
    '/conversations/:id/session-keys',
    {
      schema: {
        operationId: 'listSessionKeys',
        tags: ['session keys'],
        summary: 'Session keys that were wrapped for the calling device, newest first',
        description: 'A page can end before `limit`, and even be empty: `next` tells whether there is more.',
        params,
        querystring: record(PageQuery),
        response: {
          200: ref(SessionKeyPage),
          ...problemResponses('device-required', 'conversation-not-found', 'invalid-cursor')
        }
      }
    },
    async (request) => {
      const { userId, deviceId } = deviceSessionOf(request)
      const { limit, cursor } = request.query
      if (cursor !== undefined && !/^\d{1,9}$/.test(cursor)) throw new Problem('invalid-cursor')
      const before = cursor === undefined ? 2 ** 31 - 1 : Number(cursor)
      const { id } = await requireMember(db, request.params.id, userId)
      const page = await readSessionKeys(prepared, id, deviceId, before, limit)
      await markFetched(db, deviceId, page.items)
      return page
    }
  )

  app.get(
    '/conversations/:id/session-keys/:keyId',
    {
      schema: {
        operationId: 'getSessionKey',
        tags: ['session keys'],
        summary: 'One session key that was wrapped for the calling device',
        description:
          'Former members may call this too: they still receive events from their time in the conversation.',
        params: keyParams,
        response: {
          200: ref(SessionKeyResponse),
          ...problemResponses('device-required', 'conversation-not-found', 'session-key-not-found')
        }
      }
    },
    async (request) => {
      const { userId, deviceId } = deviceSessionOf(request)
      const { id, keyId } = request.params
      const sessionKey = await readSessionKey(prepared, id, deviceId, keyId)
      if (sessionKey === null) {
        await requireMember(db, id, userId)
        throw new Problem('session-key-not-found')
      }
      await markFetched(db, deviceId, [sessionKey])
      return { sessionKey }
    }
  )

  app.post(
    '/conversations/:id/session-keys/:keyId/wraps',
    {
      bodyLimit: LATER_WRAPS_BODY_LIMIT,
      schema: {
        operationId: 'addWraps',
        tags: ['session keys'],
        summary: 'Wrap a session key for other devices of the caller',
        description:
          'They stand beside the wraps of the key’s maker, one of each device that adds. The user’s devices ' +
          'receive a `session-key.shared` event. Former members may call this too.',
        params: keyParams,
        body: ref(NewWraps),
        response: {
          201: ref(SessionKeyResponse),
          ...problemResponses(
            'invalid-statement',
            'invalid-signature',
            'device-required',
            'forbidden',
            'device-not-found',
            'conversation-not-found',
            'session-key-not-found'
          )
        }
      }
    },
    async (request, reply) => {
      const session = deviceSessionOf(request)
      const { id, keyId } = request.params
      await transaction(services, (tx) => addWraps(tx, session, id, keyId, request.body))
      const sessionKey = (await readSessionKey(prepared, id, session.deviceId, keyId))!
      return reply.status(201).send({ sessionKey })
    }
  )
}
