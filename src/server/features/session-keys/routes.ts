import { and, eq } from 'drizzle-orm'
import {
  NewWraps,
  NewSessionKey,
  SessionKey,
  SessionKeyResponse,
  SessionKeyPage
} from '../../../protocol/conversations.js'
import { Problem } from '../../http/problem.js'
import { PageQuery, Uuid, record, ref } from '../../../protocol/schema.js'
import { lockUsers } from '../../chains/signing-device.js'
import type { App } from '../../http/app.js'
import { deviceSessionOf, type DeviceSession } from '../../access/auth.js'
import { retryDuplicate } from '../../db/errors.js'
import type { Tx } from '../../db/database.js'
import { sessionKeyWraps, sessionKeys } from '../../db/schema.js'
import { appendEvents, transaction } from '../../log/append-events.js'
import { lockConversation, requireMember } from '../../chains/memberships.js'
import { problemResponses } from '../../http/problem-responses.js'
import {
  WRAPS_BODY_LIMIT,
  acceptSessionKey,
  findSessionKey,
  insertWraps,
  wrapRow
} from '../../chains/rosters.js'
import type { Services } from '../../services.js'
import { coverableDevices, readSessionKey, readSessionKeys } from './queries.js'

const params = record({ id: Uuid('The conversation’s id.') })
const keyParams = record({ ...params.properties, keyId: Uuid('The session key’s id.') })

export function sessionKeyRoutes(app: App, services: Pick<Services, 'db' | 'log'>): void {
  const { db } = services

  app.post(
    '/conversations/:id/session-keys',
    {
      bodyLimit: WRAPS_BODY_LIMIT,
      schema: {
        operationId: 'createSessionKey',
        tags: ['session keys'],
        summary: 'Create a new current session key',
        params,
        body: ref(NewSessionKey),
        response: {
          200: ref(SessionKeyResponse),
          201: ref(SessionKeyResponse),
          ...problemResponses(
            'invalid-statement',
            'invalid-signature',
            'device-required',
            'conversation-not-found',
            'not-in-roster',
            'id-conflict',
            'stale-roster'
          )
        }
      }
    },
    async (request, reply) => {
      const session = deviceSessionOf(request)
      const isNew = await retryDuplicate(() =>
        transaction(services, (tx) => createSessionKey(tx, session, request.params.id, request.body))
      )
      const key = await findSessionKey(db, request.params.id, request.body.id)
      return reply
        .status(isNew ? 201 : 200)
        .send({ id: request.body.id, createdAt: key!.createdAt.toISOString() })
    }
  )

  app.get(
    '/conversations/:id/session-keys',
    {
      schema: {
        operationId: 'listSessionKeys',
        tags: ['session keys'],
        summary: 'Session keys that were wrapped for the calling device, newest first',
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
      if (cursor !== undefined && !/^\d{1,15}$/.test(cursor)) throw new Problem('invalid-cursor')
      const before = cursor === undefined ? Number.MAX_SAFE_INTEGER : Number(cursor)
      const { id } = await requireMember(db, request.params.id, userId)
      const keys = await readSessionKeys(db, id, deviceId, before, limit + 1)
      const page = keys.slice(0, limit)
      return {
        items: page.map(({ view }) => view),
        next: keys.length > limit ? String(page.at(-1)!.serial) : null
      }
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
          200: record({ sessionKey: ref(SessionKey) }),
          ...problemResponses('device-required', 'conversation-not-found', 'session-key-not-found')
        }
      }
    },
    async (request) => {
      const { userId, deviceId } = deviceSessionOf(request)
      const { id, keyId } = request.params
      const sessionKey = await readSessionKey(db, id, deviceId, keyId)
      if (sessionKey !== undefined) return { sessionKey }
      await requireMember(db, id, userId)
      throw new Problem('session-key-not-found')
    }
  )

  app.post(
    '/conversations/:id/session-keys/:keyId/wraps',
    {
      bodyLimit: WRAPS_BODY_LIMIT,
      schema: {
        operationId: 'addWraps',
        tags: ['session keys'],
        summary: 'Wrap an older session key for devices that joined later',
        description: 'Their users receive a `session-key.created` event that names the key.',
        params: keyParams,
        body: ref(NewWraps),
        response: {
          201: ref(SessionKeyResponse),
          ...problemResponses(
            'device-required',
            'conversation-not-found',
            'session-key-not-found',
            'stale-roster'
          )
        }
      }
    },
    async (request, reply) => {
      const session = deviceSessionOf(request)
      const { id, keyId } = request.params
      const answer = await transaction(services, (tx) => addWraps(tx, session, id, keyId, request.body))
      return reply.status(201).send(answer)
    }
  )
}

async function createSessionKey(
  tx: Tx,
  session: DeviceSession,
  conversationId: string,
  body: NewSessionKey
): Promise<boolean> {
  await lockUsers(tx, [session.username])
  const conversation = await lockConversation(tx, conversationId, session.userId)
  const [present] = await tx.select().from(sessionKeys).where(eq(sessionKeys.id, body.id))
  if (present !== undefined) {
    if (present.conversationId === conversationId && present.text === body.statement.text) return false
    throw new Problem('id-conflict')
  }
  await appendEvents(tx, [await acceptSessionKey(tx, conversation, session, body)])
  return true
}

async function addWraps(
  tx: Tx,
  session: DeviceSession,
  conversationId: string,
  keyId: string,
  { wraps }: NewWraps
): Promise<SessionKeyResponse> {
  const conversation = await lockConversation(tx, conversationId, session.userId)
  const key = await findSessionKey(tx, conversationId, keyId)
  if (key === undefined) throw new Problem('session-key-not-found')
  await requireOwnWrap(tx, keyId, session.deviceId)
  const ids = wraps.map(({ deviceId }) => deviceId)
  if (new Set(ids).size < ids.length)
    throw new Problem('invalid-request', 'There are two wraps for the same device in `wraps`.')
  const coverable = await coverableDevices(tx, conversationId, ids)
  const unexpected = ids.filter((id) => !coverable.some(({ device }) => device.id === id))
  if (unexpected.length > 0)
    throw new Problem('stale-roster', 'Wraps can be added only for active devices of current members.', {
      head: conversation.chainHead,
      missing: [],
      unexpected
    })
  const given = new Map(wraps.map(({ deviceId, wrappedKey }) => [deviceId, wrappedKey]))
  await insertWraps(
    tx,
    coverable.map(({ device }) => wrapRow(keyId, device, given.get(device.id)!, false))
  )
  const { text, signatures, createdAt } = key
  await appendEvents(tx, [
    {
      type: 'session-key.created',
      data: { conversationId, sessionKeyId: keyId, statement: { text, signatures } },
      to: { users: [...new Set(coverable.map(({ userId }) => userId))] }
    }
  ])
  return { id: keyId, createdAt: createdAt.toISOString() }
}

/** Only a device that has a key can pass it on. @throws {Problem} `session-key-not-found` for all others */
async function requireOwnWrap(tx: Tx, keyId: string, deviceId: string): Promise<void> {
  const own = await tx
    .select({ id: sessionKeyWraps.deviceId })
    .from(sessionKeyWraps)
    .where(and(eq(sessionKeyWraps.sessionKeyId, keyId), eq(sessionKeyWraps.deviceId, deviceId)))
  if (own.length === 0) throw new Problem('session-key-not-found')
}
