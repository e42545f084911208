import type { FastifyReply, FastifyRequest } from 'fastify'
import Type from 'typebox'
import {
  Chain,
  ChainReceipt,
  ConversationChange,
  ConversationResponse,
  NewConversation,
  NewSessionKey
} from '../../../protocol/conversations.js'
import type { ProblemCode } from '../../../protocol/problems.js'
import { ChainQuery, PageQuery, Uuid, defaulted, record, ref } from '../../../protocol/schema.js'
import { deviceSessionOf } from '../../access/auth.js'
import { spendInTransaction } from '../../access/daily-budget.js'
import { Turns } from '../../access/turns.js'
import { readSigningDevice } from '../../chains/signing-device.js'
import { retryDuplicate } from '../../db/errors.js'
import type { App } from '../../http/app.js'
import { Problem } from '../../http/problem.js'
import { problemResponses } from '../../http/problem-responses.js'
import { transaction } from '../../log/append-events.js'
import type { Services } from '../../services.js'
import { DailyBudgets } from './daily-budgets.js'
import { applyRequest } from './apply-request.js'
import { spendRequest } from './budget.js'
import { CHAIN_PAGE, readChainPage } from './chain-page.js'
import { findReceipt } from './find-receipt.js'
import { requireHead } from './precondition.js'
import { readConversation } from './queries.js'
import { readRequest, requireSignedBy, type RequestBody } from './request.js'

/** Bytes of a body with a wrap for each of thousands of devices. */
export const WRAPS_BODY_LIMIT = 16 * 2 ** 20
/** Wraps that count as one more request. */
const WRAPS_PER_REQUEST = 16
/** Requests that are judged and written at once: each holds users' chains and a connection. */
const AT_ONCE = 3

const params = record({ id: Uuid('The conversation’s id.') })

const HeadHeaders = Type.Object({
  'If-Match': Type.Optional(
    Type.String({ description: 'The chain’s head in quotes. Another one is refused as `stale-chain`.' })
  )
})

const refusals: ProblemCode[] = [
  'invalid-statement',
  'invalid-signature',
  'device-required',
  'forbidden',
  'not-in-roster',
  'user-not-found',
  'root-changed',
  'ambiguous-key',
  'too-many-members',
  'too-many-devices',
  'id-conflict',
  'key-required',
  'stale-roster',
  'contact-refused',
  'limit-reached',
  'too-many-requests'
]
const chainRefusals: ProblemCode[] = [
  ...refusals,
  'conversation-not-found',
  'not-admin',
  'already-member',
  'not-a-member',
  'last-admin',
  'stale-chain',
  'conversation-full'
]

const description =
  'A request that stands in the chain is confirmed again. `If-Match` is compared before the body is read. By ' +
  'default a user may make 10 requests to a conversation at once (`CHAIN_REQUESTS_AT_ONCE`), and then one a minute ' +
  '(`CHAIN_REQUESTS_PER_MINUTE`); leaving is free.'

export type ChainServices = Pick<Services, 'attempts' | 'config' | 'database' | 'db' | 'log'>

export function chainRoutes(app: App, services: ChainServices): void {
  const { database, db } = services
  const { requests, spareKeys } = services.config.conversations
  const rules = {
    spareKeys,
    contact: { bounds: services.config.contacts, daily: new DailyBudgets(services) }
  }
  const turns = new Turns(AT_ONCE)

  /** Apply a request, or confirm that it stands in the chain. */
  async function apply(
    request: FastifyRequest,
    reply: FastifyReply,
    conversationId: string,
    asked: RequestBody
  ): Promise<ChainReceipt> {
    const session = deviceSessionOf(request)
    const parsed = readRequest(conversationId, asked)
    const repeated = await findReceipt(db, session, parsed)
    if (repeated !== null) return repeated
    app.spend(request, reply, 'write', Math.floor(parsed.wraps.size / WRAPS_PER_REQUEST))
    const isFree = parsed.creates || 'leave' in parsed.request
    if (!isFree) await spendRequest(db, conversationId, session.userId, requests)
    requireSignedBy(await readSigningDevice(db, session), parsed)
    return turns.run(session.userId, () =>
      retryDuplicate(() =>
        spendInTransaction(
          (change) => transaction(services, change),
          (tx, spend) => applyRequest(tx, session, parsed, rules, spend)
        )
      )
    )
  }

  app.post(
    '/conversations',
    {
      bodyLimit: WRAPS_BODY_LIMIT,
      schema: {
        operationId: 'createConversation',
        tags: ['conversations'],
        summary: 'Create a conversation with its first session key',
        description: 'A repeat of the same request is answered again.',
        body: ref(NewConversation),
        response: {
          201: ref(ConversationResponse),
          ...problemResponses(...refusals, 'direct-exists', 'self-exists')
        }
      }
    },
    async (request, reply) => {
      const { id, statements, key } = request.body
      await apply(request, reply, id, { creates: true, statements, key })
      const conversation = await readConversation(database.prepared, deviceSessionOf(request).userId, id)
      return reply.status(201).send({ conversation })
    }
  )

  app.post(
    '/conversations/:id/chain',
    {
      bodyLimit: WRAPS_BODY_LIMIT,
      preParsing: (request) => requireHead(db, request),
      schema: {
        operationId: 'changeConversation',
        tags: ['conversations'],
        summary: 'Change members, roles or the timer with a new session key, or leave',
        description,
        params,
        headers: HeadHeaders,
        body: ref(ConversationChange),
        response: { 201: ref(ChainReceipt), ...problemResponses(...chainRefusals) }
      }
    },
    async (request, reply) => {
      const asked = { creates: false, ...request.body }
      return reply.status(201).send(await apply(request, reply, request.params.id, asked))
    }
  )

  app.post(
    '/conversations/:id/session-keys',
    {
      bodyLimit: WRAPS_BODY_LIMIT,
      preParsing: (request) => requireHead(db, request),
      schema: {
        operationId: 'createSessionKey',
        tags: ['session keys'],
        summary: 'Create a new current session key',
        description:
          `${description} A key is always taken if members or chains have moved since the one before, or after 10,000 messages. Otherwise a ` +
          'user may by default make 5 in a conversation within 24 hours (`SPARE_KEYS_PER_DAY`).',
        params,
        headers: HeadHeaders,
        body: ref(NewSessionKey),
        response: { 201: ref(ChainReceipt), ...problemResponses(...chainRefusals, 'key-not-due') }
      }
    },
    async (request, reply) => {
      const asked = { creates: false, statements: [], key: request.body }
      return reply.status(201).send(await apply(request, reply, request.params.id, asked))
    }
  )

  app.get(
    '/conversations/:id/chain',
    {
      schema: {
        operationId: 'getConversationChain',
        tags: ['conversations'],
        summary: 'The signed statements of a conversation’s chain',
        description:
          'A page holds whole requests, and at least one. For a former member the chain ends with the request ' +
          'that removed them: they still read what they were sent before.',
        params,
        querystring: record({
          ...PageQuery,
          ...ChainQuery.properties,
          limit: defaulted({
            minimum: 1,
            maximum: CHAIN_PAGE,
            default: CHAIN_PAGE,
            description: 'The most statements to return. A larger first request is returned whole.'
          })
        }),
        response: {
          200: ref(Chain),
          ...problemResponses('device-required', 'conversation-not-found', 'invalid-cursor')
        }
      }
    },
    async (request) => {
      const { after, cursor, limit } = request.query
      if (cursor !== undefined && !/^\d{1,9}$/.test(cursor)) throw new Problem('invalid-cursor')
      const from = cursor === undefined ? Math.min(after, 2 ** 31 - 1) : Number(cursor)
      const { userId } = deviceSessionOf(request)
      const { head, lastPosition, items, next } = await readChainPage(
        db,
        request.params.id,
        userId,
        from,
        limit
      )
      return { head, lastPosition, items, next }
    }
  )
}
