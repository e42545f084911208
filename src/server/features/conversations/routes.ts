import Type from 'typebox'
import {
  ConversationPage,
  ConversationResponse,
  MemberPage,
  Roster
} from '../../../protocol/conversations.js'
import { PageQuery, Uuid, record, ref } from '../../../protocol/schema.js'
import { deviceSessionOf } from '../../access/auth.js'
import { requireMember } from '../../chains/memberships.js'
import type { App } from '../../http/app.js'
import { isKnown } from '../../http/conditional.js'
import { Problem } from '../../http/problem.js'
import { problemResponses } from '../../http/problem-responses.js'
import { transaction } from '../../log/append-events.js'
import { acceptRequest, declineRequest } from './acceptance.js'
import { chainRoutes, type ChainServices } from './chain-routes.js'
import { readConversation, readConversationPage, readMemberPage, type MemberPlace } from './queries.js'
import { readRosterMembers, readRosterSummary } from './roster.js'

const params = record({ id: Uuid('The conversation’s id.') })
const RosterHeaders = Type.Object({
  'If-None-Match': Type.Optional(
    Type.String({ description: 'The `ETag` of the roster that the client has. 304 if nothing has changed.' })
  )
})
const rosterHeaders = {
  etag: Type.String({ description: 'Names the roster as a whole.' })
}

export function conversationRoutes(app: App, services: ChainServices): void {
  const { database, db } = services
  chainRoutes(app, services)

  app.get(
    '/conversations',
    {
      schema: {
        operationId: 'listConversations',
        tags: ['conversations'],
        summary: 'The caller’s conversations, most recently joined first',
        description: 'A page with many members ends before `limit`.',
        querystring: record(PageQuery),
        response: { 200: ref(ConversationPage), ...problemResponses('device-required', 'invalid-cursor') }
      }
    },
    (request) => {
      const { limit, cursor } = request.query
      if (cursor !== undefined && !/^[1-9]\d{0,14}$/.test(cursor)) throw new Problem('invalid-cursor')
      const before = cursor === undefined ? Number.MAX_SAFE_INTEGER : Number(cursor)
      return readConversationPage(database.prepared, deviceSessionOf(request).userId, before, limit)
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
      conversation: await readConversation(
        database.prepared,
        deviceSessionOf(request).userId,
        request.params.id
      )
    })
  )

  app.post(
    '/conversations/:id/acceptance',
    {
      schema: {
        operationId: 'acceptRequest',
        tags: ['conversations'],
        summary: 'Accept a conversation that a stranger has begun',
        description: 'Changes nothing if it is accepted already. To decline a group, leave it.',
        params,
        response: {
          204: Type.Null({ description: 'The conversation is accepted.' }),
          ...problemResponses('device-required', 'conversation-not-found')
        }
      }
    },
    async (request, reply) => {
      const session = deviceSessionOf(request)
      await transaction(services, (tx) => acceptRequest(tx, session, request.params.id))
      return reply.status(204).send(null)
    }
  )

  app.delete(
    '/conversations/:id/acceptance',
    {
      schema: {
        operationId: 'declineRequest',
        tags: ['conversations'],
        summary: 'Decline a direct conversation that a stranger has begun',
        description: 'It counts no more among the requests that wait. The stranger is not told.',
        params,
        response: {
          204: Type.Null({ description: 'The request is declined.' }),
          ...problemResponses('device-required', 'conversation-not-found', 'forbidden')
        }
      }
    },
    async (request, reply) => {
      const session = deviceSessionOf(request)
      await db.transaction((tx) => declineRequest(tx, session, request.params.id))
      return reply.status(204).send(null)
    }
  )

  app.get(
    '/conversations/:id/members',
    {
      schema: {
        operationId: 'listMembers',
        tags: ['conversations'],
        summary: 'The members of a conversation, in the order in which they joined',
        params,
        querystring: record(PageQuery),
        response: {
          200: ref(MemberPage),
          ...problemResponses('device-required', 'conversation-not-found', 'invalid-cursor')
        }
      }
    },
    async (request) => {
      const { limit, cursor } = request.query
      const place = readCursor(cursor)
      const { id } = await requireMember(db, request.params.id, deviceSessionOf(request).userId)
      const found = await readMemberPage(db, id, place, limit + 1)
      const page = found.slice(0, limit)
      return {
        items: page.map(({ place: _place, ...member }) => member),
        next: found.length > limit ? formatCursor(page.at(-1)!) : null
      }
    }
  )

  app.get(
    '/conversations/:id/roster',
    {
      schema: {
        operationId: 'getRoster',
        tags: ['conversations'],
        summary: 'All that the maker of a session key needs: members, where their chains end, and devices',
        description:
          'All pages have the same `ETag`. If it changes in between, start again with the first page.',
        params,
        headers: RosterHeaders,
        querystring: record({ cursor: PageQuery.cursor }),
        response: {
          200: {
            description: 'A page of the roster.',
            headers: rosterHeaders,
            content: { 'application/json': { schema: ref(Roster) } }
          },
          304: Type.Null({
            description: 'The roster is still the one that `If-None-Match` names.',
            headers: rosterHeaders
          }),
          ...problemResponses(
            'device-required',
            'conversation-not-found',
            'invalid-cursor',
            'precondition-failed'
          )
        }
      }
    },
    (request, reply) => {
      const place = readCursor(request.query.cursor)
      const { userId } = deviceSessionOf(request)
      return db.transaction(
        async (tx) => {
          const { id } = await requireMember(tx, request.params.id, userId)
          const { view, etag } = await readRosterSummary(tx, id)
          void reply.header('etag', etag).header('cache-control', 'no-cache')
          if (isKnown(request.headers, etag)) return reply.status(304).send(null)
          const { members, next } = await readRosterMembers(tx, id, place)
          return { ...view, members, next: next && formatCursor(next) }
        },
        { isolationLevel: 'repeatable read', accessMode: 'read only' }
      )
    }
  )
}

const FIRST: MemberPlace = { joinedAt: -1, place: 0 }

/** @throws {Problem} `invalid-cursor` */
function readCursor(cursor: string | undefined): MemberPlace {
  if (cursor === undefined) return FIRST
  const [, joinedAt, place] = /^(\d{1,15})-(\d{1,4})$/.exec(cursor) ?? []
  if (joinedAt === undefined) throw new Problem('invalid-cursor')
  return { joinedAt: Number(joinedAt), place: Number(place) }
}

function formatCursor({ joinedAt, place }: MemberPlace): string {
  return `${joinedAt}-${place}`
}
