import type { IncomingMessage } from 'node:http'
import type { FastifyReply, FastifyRequest } from 'fastify'
import type { App } from './app.js'
import { BODY_LIMIT } from './json-body.js'
import { Problem } from './problem.js'
import { whenOver } from './when-over.js'

const MIB = 2 ** 20
/** Bytes of large bodies that are under way at once: of one caller, and of all. */
export const OF_ONE = 16 * MIB
export const OF_ALL = 128 * MIB
/** How long a client may take to see the answer to a body that is not read. */
const LINGER_MS = 1000

/**
 * Bound the memory that large bodies take, unfinished ones too: each counts with its whole size from before it is
 * read until its request is answered. Bodies of up to 64 KiB do not count.
 *
 * @param callerOf names who sends a request
 */
export function boundBodies(app: App, callerOf: (request: FastifyRequest) => string): void {
  const underWay = new Map<string, number>()
  let total = 0

  app.addHook('preParsing', (request, reply, _payload, done) => {
    const size = bodySize(request)
    if (size <= BODY_LIMIT) return done()
    const caller = callerOf(request)
    const own = underWay.get(caller) ?? 0
    // One body of the largest size always fits.
    if ((own > 0 && own + size > OF_ONE) || total + size > OF_ALL) return done(new Problem('overloaded'))
    total += size
    underWay.set(caller, own + size)
    whenOver(reply, () => {
      total -= size
      const left = underWay.get(caller)! - size
      if (left > 0) underWay.set(caller, left)
      else underWay.delete(caller)
    })
    done()
  })

  app.addHook('onSend', (request, reply, _payload, done) => {
    // A caller who has to wait will send all of it again. After a body that is too large Fastify itself closes the connection.
    const closes = [429, 503].includes(reply.statusCode) || reply.getHeader('connection') === 'close'
    if (closes && !request.raw.complete && isLarge(request)) leaveUnread(request.raw, reply)
    done()
  })
}

function isLarge({ headers }: FastifyRequest): boolean {
  return headers['transfer-encoding'] !== undefined || Number(headers['content-length'] ?? 0) > BODY_LIMIT
}

/**
 * Do not read the rest of a body. Node.js would close the connection with the answer. Unread bytes then reset it, and the
 * answer may be lost; so it stays half open for a moment.
 */
function leaveUnread(body: IncomingMessage, reply: FastifyReply): void {
  reply.header('connection', 'close')
  const { socket } = body
  // Node.js reads to the end a body that nobody has begun to read.
  body.read(0)
  body.pause()
  socket.destroySoon = () => {
    socket.end()
    setTimeout(() => socket.destroy(), LINGER_MS).unref()
  }
}

/** The most bytes that a body has, before it is read. Without a length it may have as many as its route allows. */
export function bodySize({ headers, routeOptions }: FastifyRequest): number {
  const limit = routeOptions.bodyLimit ?? BODY_LIMIT
  if (headers['transfer-encoding'] !== undefined) return limit
  return Math.min(Number(headers['content-length'] ?? 0), limit)
}
