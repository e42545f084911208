import type { FastifyRequest } from 'fastify'
import type { App } from './app.js'
import { BODY_LIMIT } from './json-body.js'
import { Problem } from './problem.js'

const MIB = 2 ** 20
/** Bytes of large bodies that are under way at once: of one caller, and of all. */
export const OF_ONE = 16 * MIB
export const OF_ALL = 128 * MIB

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
    if ((own > 0 && own + size > OF_ONE) || total + size > OF_ALL) {
      // The rest of the body is not read.
      reply.header('connection', 'close')
      return done(new Problem('overloaded'))
    }
    total += size
    underWay.set(caller, own + size)
    reply.raw.once('close', () => {
      total -= size
      const left = underWay.get(caller)! - size
      if (left > 0) underWay.set(caller, left)
      else underWay.delete(caller)
    })
    done()
  })
}

/** The most bytes that a body has, before it is read. Without a length it may have as many as its route allows. */
export function bodySize({ headers, routeOptions }: FastifyRequest): number {
  const limit = routeOptions.bodyLimit ?? BODY_LIMIT
  if (headers['transfer-encoding'] !== undefined) return limit
  return Math.min(Number(headers['content-length'] ?? 0), limit)
}
