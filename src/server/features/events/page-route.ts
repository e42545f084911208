import type { FastifyReply } from 'fastify'
import * as Type from 'typebox'
import { EventPage } from '../../../protocol/events.js'
import { CursorInput, defaulted, record, ref } from '../../../protocol/schema.js'
import { deviceSessionOf } from '../../access/auth.js'
import { networkOf } from '../../access/rate-limits.js'
import type { App } from '../../http/app.js'
import { problemResponses } from '../../http/problem-responses.js'
import { whenOver } from '../../http/when-over.js'
import { poll, type PollParts } from './poll.js'
import type { ResolveCursor } from './resume.js'

/** Less than the time for which proxies wait for an answer. */
export const MAX_WAIT_SECONDS = 45

export function eventPageRoute(app: App, services: PollParts, resolveCursor: ResolveCursor): void {
  app.get(
    '/events/page',
    {
      schema: {
        operationId: 'getEventPage',
        tags: ['events'],
        summary: 'Poll for events',
        description:
          'The durable events after a cursor, as one JSON document: for clients that cannot read a stream. Without ' +
          'a cursor it waits for the next event. Go on with the `cursor` of the answer.',
        querystring: record({
          after: Type.Optional(CursorInput('The cursor to begin after; `0` for the oldest event.')),
          wait: defaulted({
            minimum: 0,
            maximum: MAX_WAIT_SECONDS,
            default: 0,
            description: 'Seconds to wait for the first event.'
          }),
          limit: defaulted({
            minimum: 1,
            maximum: 200,
            default: 50,
            description: 'The most events to return; fewer if they are large.'
          })
        }),
        response: {
          200: ref(EventPage),
          ...problemResponses('invalid-cursor', 'device-required', 'too-many-streams')
        }
      }
    },
    async (request, reply) => {
      const poller = { session: deviceSessionOf(request), network: networkOf(request) }
      const { after, wait, limit } = request.query
      // A request counts as aborted until its body has been read, even an empty one.
      request.raw.resume()
      const start = await resolveCursor(poller.session.userId, after)
      if (request.socket.destroyed) return
      const gone = new AbortController()
      whenOver(reply, () => gone.abort())
      const page = await poll(services, poller, start, {
        limit,
        waitMs: wait * 1000,
        gone: gone.signal,
        onWait: () => request.waits()
      })
      reply.type('application/json; charset=utf-8').header('cache-control', 'no-store')
      // The page is JSON already.
      return (reply as FastifyReply).send(page)
    }
  )
}
