import { once } from 'node:events'
import type { OutgoingHttpHeaders } from 'node:http'
import type { FastifyReply } from 'fastify'
import Type from 'typebox'
import { EventPage, StreamedEvent, durableEvents, ephemeralEvents } from '../../../protocol/events.js'
import { defaulted, record, schemaName } from '../../../protocol/schema.js'
import type { App } from '../../http/app.js'
import { deviceSessionOf } from '../../access/auth.js'
import { problemResponses } from '../../http/problem-responses.js'
import { poll } from './poll.js'
import { Semaphore } from '../../streaming/semaphore.js'
import { cursorResolver } from './resume.js'
import { EventStream, type StreamParts } from './stream.js'
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

const description = `One stream per device delivers all events of its user as Server-Sent Events. A durable event has a
cursor in \`id:\`. \`Last-Event-ID\` (or \`?after=\`) resumes after that cursor: every later durable event in order, exactly
once, then live events. Without a cursor the stream starts with live events, with \`after=0\` at the oldest event that is
kept. For polling, send the same cursor with \`Accept: application/json\`.

| event | durable | data |
| --- | --- | --- |
${eventTable}`

export function eventRoutes(app: App, services: Omit<StreamParts, 'reads'>): void {
  const { database, hub, log } = services
  const resolveCursor = cursorResolver(database, log)
  const parts = { ...services, reads: new Semaphore(READS_AT_ONCE) }

  app.get(
    '/events',
    {
      schema: {
        operationId: 'getEvents',
        tags: ['events'],
        summary: 'Stream events, or poll with the same cursor',
        description,
        headers: Type.Object({
          'last-event-id': Type.Optional(
            Type.String({ maxLength: 64, description: 'Resume after this cursor. Overrides `after`.' })
          )
        }),
        querystring: record({
          after: Type.Optional(Type.String({ maxLength: 64, description: 'Resume after this cursor.' })),
          wait: defaulted({
            minimum: 0,
            maximum: 60,
            default: 0,
            description: 'Polling: seconds to wait for the first event.'
          }),
          limit: defaulted({
            minimum: 1,
            maximum: 200,
            default: 50,
            description: 'Polling: the most events to return.'
          })
        }),
        response: {
          200: {
            description: 'The stream, or a page of events.',
            content: {
              'text/event-stream': {
                schema: {
                  type: 'string',
                  contentMediaType: 'text/event-stream',
                  contentSchema: { $ref: schemaName(StreamedEvent) }
                }
              },
              'application/json': { schema: { $ref: schemaName(EventPage) } }
            }
          },
          ...problemResponses('invalid-cursor', 'device-required', 'too-many-streams')
        }
      }
    },
    async (request, reply) => {
      const session = deviceSessionOf(request)
      const { after, wait, limit } = request.query
      const { raw } = reply
      // A request counts as aborted until its body has been read, even an empty one.
      request.raw.resume()
      const start = await resolveCursor(session.userId, request.headers['last-event-id'] ?? after)
      if (request.socket.destroyed) return

      if (wantsJson(request.headers.accept)) {
        const gone = new AbortController()
        raw.on('close', () => gone.abort())
        const page = await poll(services, session, start, { limit, waitMs: wait * 1000, gone: gone.signal })
        reply.type('application/json; charset=utf-8').header('cache-control', 'no-store')
        return (reply as FastifyReply).send(page)
      }

      // A pipelined request gets the socket after the responses to those before it.
      if (raw.socket === null) await once(raw, 'socket')
      if (request.socket.destroyed) return
      hub.requireCapacity(session.userId)
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
      // Headers and first frames leave in one write.
      raw.cork()
      raw.flushHeaders()
      const socket = detachSocket(raw)
      const stream = new EventStream(parts, session, socket, start)
      hub.add(stream)
      stream.start(start)
      socket.uncork()
      request.log.debug({ instance: request.id, address: request.ip }, 'stream opened')
    }
  )
}

function wantsJson(accept: string | undefined): boolean {
  const types = (accept ?? '').split(',').map((type) => type.split(';')[0]!.trim().toLowerCase())
  return types.includes('application/json') && !types.includes('text/event-stream')
}
