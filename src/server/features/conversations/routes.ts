import type { FastifyRequest } from 'fastify'
import Type from 'typebox'
import {
  Chain,
  ConversationResponse,
  ConversationPage,
  NewConversation,
  Roster
} from '../../../protocol/conversations.js'
import { StatementRequest } from '../../../protocol/devices.js'
import { Problem } from '../../http/problem.js'
import type { ProblemCode } from '../../../protocol/problems.js'
import { ChainQuery, PageQuery, defaulted, Uuid, record, ref } from '../../../protocol/schema.js'
import type { App } from '../../http/app.js'
import { deviceSessionOf } from '../../access/auth.js'
import { retryDuplicate } from '../../db/errors.js'
import type { Db } from '../../db/database.js'
import { transaction } from '../../log/append-events.js'
import { requireMember } from '../../chains/memberships.js'
import { problemResponses } from '../../http/problem-responses.js'
import { WRAPS_BODY_LIMIT, readRoster, rosterView } from '../../chains/rosters.js'
import type { Services } from '../../services.js'
import { changeConversation } from './change.js'
import { createConversation } from './create.js'
import { readConversations, readStatements } from './queries.js'

/** Clients need the whole chain, so its pages are large by default. */
const ChainLimit = defaulted({
  minimum: 1,
  maximum: 200,
  default: 200,
  description: 'The most items to return.'
})

const params = record({ id: Uuid('The conversation’s id.') })
const refusals: ProblemCode[] = [
  'invalid-statement',
  'invalid-signature',
  'device-required',
  'forbidden',
  'user-not-found',
  'root-changed'
]

export function conversationRoutes(app: App, services: Pick<Services, 'db' | 'log'>): void {
  const { db } = services

  app.post(
    '/conversations',
    {
      bodyLimit: WRAPS_BODY_LIMIT,
      schema: {
        operationId: 'createConversation',
        tags: ['conversations'],
        summary: 'Create a direct or group conversation',
        body: ref(NewConversation),
        response: {
          200: ref(ConversationResponse),
          201: ref(ConversationResponse),
          ...problemResponses(...refusals, 'id-conflict', 'direct-exists', 'stale-roster')
        }
      }
    },
    async (request, reply) => {
      const session = deviceSessionOf(request)
      const isNew = await retryDuplicate(() =>
        transaction(services, (tx) => createConversation(tx, session, request.body))
      )
      const conversation = await readOne(db, session.userId, request.body.id)
      return reply.status(isNew ? 201 : 200).send({ conversation })
    }
  )

  app.get(
    '/conversations',
    {
      schema: {
        operationId: 'listConversations',
        tags: ['conversations'],
        summary: 'The caller’s conversations, most recently joined first',
        querystring: record(PageQuery),
        response: { 200: ref(ConversationPage), ...problemResponses('device-required', 'invalid-cursor') }
      }
    },
    async (request) => {
      const { limit, cursor } = request.query
      if (cursor !== undefined && !/^[1-9]\d{0,15}$/.test(cursor)) throw new Problem('invalid-cursor')
      const before = cursor === undefined ? Number.MAX_SAFE_INTEGER : Number(cursor)
      const rows = await readConversations(db, deviceSessionOf(request).userId, { before, limit: limit + 1 })
      const page = rows.slice(0, limit)
      return {
        items: page.map(({ conversation }) => conversation),
        next: rows.length > limit ? String(page.at(-1)!.joinedAt) : null
      }
    }
  )

  app.get(
    '/conversations/:id',
    {
      schema: {
        operationId: 'getConversation',
        tags: ['conversations'],
        summary: 'A conversation that the caller is in',
        params,
        response: {
          200: ref(ConversationResponse),
          ...problemResponses('device-required', 'conversation-not-found')
        }
      }
    },
    async (request) => ({
      conversation: await readOne(db, deviceSessionOf(request).userId, request.params.id)
    })
  )

  app.get(
    '/conversations/:id/chain',
    {
      schema: {
        operationId: 'getConversationChain',
        tags: ['conversations'],
        summary: 'The signed statements of a conversation’s chain',
        params,
        querystring: record({ ...PageQuery, ...ChainQuery.properties, limit: ChainLimit }),
        response: {
          200: ref(Chain),
          ...problemResponses('device-required', 'conversation-not-found', 'invalid-cursor')
        }
      }
    },
    async (request) => {
      const { after, cursor, limit } = request.query
      if (cursor !== undefined && !/^\d{1,9}$/.test(cursor)) throw new Problem('invalid-cursor')
      const { id, chainHead: head } = await requireRequester(db, request, request.params.id)
      const from = cursor === undefined ? Math.min(after, 2 ** 31 - 1) : Number(cursor)
      const statements = await readStatements(db, id, from, limit)
      return {
        head,
        items: statements.map(({ text, signatures }) => ({ text, signatures })),
        next: statements.length === limit ? String(statements.at(-1)!.sequence) : null
      }
    }
  )

  app.post(
    '/conversations/:id/chain',
    {
      schema: {
        operationId: 'changeConversation',
        tags: ['conversations'],
        summary: 'Add, remove, promote or demote a member, or leave',
        params,
        body: ref(StatementRequest),
        response: {
          201: record({ head: Roster.properties.head, sequence: Type.Integer() }),
          ...problemResponses(
            ...refusals,
            'conversation-not-found',
            'not-admin',
            'not-in-roster',
            'stale-chain',
            'already-member',
            'not-a-member',
            'too-many-members'
          )
        }
      }
    },
    async (request, reply) => {
      const session = deviceSessionOf(request)
      const link = await transaction(services, (tx) =>
        changeConversation(tx, session, request.params.id, request.body.statement)
      )
      return reply.status(201).send(link)
    }
  )

  app.get(
    '/conversations/:id/roster',
    {
      schema: {
        operationId: 'getRoster',
        tags: ['conversations'],
        summary: 'The devices that a new session key must be wrapped for',
        params,
        response: { 200: ref(Roster), ...problemResponses('device-required', 'conversation-not-found') }
      }
    },
    (request) =>
      db.transaction(
        async (tx) => {
          const conversation = await requireRequester(tx, request, request.params.id)
          return rosterView(conversation, await readRoster(tx, conversation.id))
        },
        { isolationLevel: 'repeatable read', accessMode: 'read only' }
      )
  )
}

function requireRequester(db: Db, request: FastifyRequest, id: string) {
  return requireMember(db, id, deviceSessionOf(request).userId)
}

async function readOne(db: Db, userId: string, id: string) {
  const [found] = await readConversations(db, userId, { id })
  if (found === undefined) throw new Problem('conversation-not-found')
  return found.conversation
}
