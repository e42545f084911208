import { once } from 'node:events'
import type { OutgoingHttpHeaders } from 'node:http'
import Type from 'typebox'
import { StreamedEvent } from '../../../protocol/event-stream.js'
import { durableEvents, ephemeralEvents } from '../../../protocol/events.js'
import { CursorInput, record, schemaName } from '../../../protocol/schema.js'
import type { App } from '../../http/app.js'
import { deviceSessionOf } from '../../access/auth.js'
import { networkOf } from '../../access/rate-limits.js'
import { problemResponses } from '../../http/problem-responses.js'
import { eventPageRoute } from './page-route.js'
import { Semaphore } from '../../streaming/semaphore.js'
import { cursorResolver } from './resume.js'
import { EventStream, type StreamParts } from './stream.js'
import { peerWatch } from '../../streaming/peer-watch.js'
import { detachSocket } from './detach-socket.js'

/**
 * Streams that read pages at once: they must not take all connections, nor fill the memory with their pages.
 */
const READS_AT_ONCE = 4

const eventTable = Object.entries({ ...durableEvents, ...ephemeralEvents })
  .map(
    ([event, schema]) =>
      `| \`${event}\` | ${event in durableEvents ? 'yes' : 'no'} | \`${schemaName(schema)}\` |`
  )
  .join('\n')

const description = `One stream per device delivers all events of its user as Server-Sent Events. \`ready\`, \`reset\` and
each durable event have a cursor in \`id:\`. \`Last-Event-ID\` (or \`?after=\`) resumes after that cursor: every later durable
event in order, exactly once, then live events. Without a cursor the stream starts with live events, with \`after=0\` at the
oldest event that is kept. A client that cannot read a stream polls \`/v1/events/page\` with the same cursors.

| event | durable | data |
| --- | --- | --- |
${eventTable}`

export function eventRoutes(app: App, services: Omit<StreamParts, 'reads'>): void {
  const { database, hub, log } = services
  const resolveCursor = cursorResolver(database, log)
  const watchPeer = peerWatch(services.config.streams.ackTimeoutSeconds)
  const parts = { ...services, reads: new Semaphore(READS_AT_ONCE) }
  eventPageRoute(app, services, resolveCursor)

  app.get(
    '/events',
    {
      // A stream has no end after which HEAD could answer.
      exposeHeadRoute: false,
      config: { share: 0 },
      schema: {
        operationId: 'getEvents',
        tags: ['events'],
        summary: 'Stream events',
        description,
        headers: Type.Object({
          'last-event-id': Type.Optional(CursorInput('Resume after this cursor. Overrides `after`.'))
        }),
        querystring: record({
          after: Type.Optional(CursorInput('Resume after this cursor.'))
        }),
        response: {
          200: {
            description: 'The stream.',
            content: {
              'text/event-stream': {
                schema: {
                  type: 'string',
                  contentMediaType: 'text/event-stream',
                  contentSchema: { $ref: schemaName(StreamedEvent) }
                }
              }
            }
          },
          ...problemResponses('invalid-cursor', 'device-required', 'too-many-streams')
        }
      }
    },
    async (request, reply) => {
      const session = deviceSessionOf(request)
      const network = networkOf(request)
      const { after } = request.query
      const { raw } = reply
      // A request counts as aborted until its body has been read, even an empty one.
      request.raw.resume()
      const start = await resolveCursor(session.userId, request.headers['last-event-id'] ?? after)
      if (request.socket.destroyed) return

      // A pipelined request gets the socket after the responses to those before it.
      if (raw.socket === null) await once(raw, 'socket')
      if (request.socket.destroyed) return
      hub.requireCapacity({ session, network })
      reply.hijack()
      // The body ends with the connection. Without chunked encoding all streams can write the same bytes of a
      // frame.
      raw.removeHeader('transfer-encoding')
      raw.writeHead(200, {
        ...(reply.getHeaders() as OutgoingHttpHeaders),
        'content-type': 'text/event-stream; charset=utf-8',
        'cache-control': 'no-store, no-transform',
        'x-accel-buffering': 'no',
        connection: 'close'
      })
      // Headers and first frames leave in one write. A response that is corked uncorks its socket when it is detached.
      request.socket.cork()
      raw.flushHeaders()
      const socket = detachSocket(raw)
      const stream = new EventStream(parts, { session, network }, socket, start)
      hub.add(stream)
      watchPeer(socket)
      stream.start(start)
      socket.uncork()
      request.log.debug({ instance: request.id, address: request.address }, 'stream opened')
    }
  )
}
