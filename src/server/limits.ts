import rateLimit, { normalizeIP } from '@fastify/rate-limit'
import type { FastifyInstance, FastifyReply, FastifyRequest, onRequestAsyncHookHandler } from 'fastify'
import { Problem } from '../protocol/problems.js'
import type { Config } from './config.js'

/** Classes of routes, each with a budget a minute: per address before log-in, per user after it. */
export type LimitClass = 'auth' | 'read' | 'write' | 'send'

const WINDOW_MS = 60_000
const REMEMBERED = 50_000

declare module 'fastify' {
  interface FastifyContextConfig {
    /** Which budget a route draws on; `read` for GET and HEAD and `write` for the rest where nothing is said. */
    limit?: LimitClass | false
  }
}

/** Where a request comes from: of IPv6 it is the /64 that counts, which one customer has to himself. */
export function networkOf(request: FastifyRequest): string {
  return normalizeIP(request.ip)
}

/** @throws {Problem} `too-many-requests` with `Retry-After`, if there are seconds to wait */
export function requireNoWait(reply: FastifyReply, seconds: number, detail?: string): void {
  if (seconds === 0) return
  reply.header('retry-after', seconds)
  throw new Problem('too-many-requests', detail)
}

/** Rate limits on every route that is registered after this. */
export async function registerLimits(app: FastifyInstance, config: Config): Promise<void> {
  if (config.RATE_LIMIT === 'off') return
  const budgets: Record<LimitClass, number> = {
    auth: config.RATE_LIMIT_AUTH,
    read: config.RATE_LIMIT_READ,
    write: config.RATE_LIMIT_WRITE,
    send: config.RATE_LIMIT_SEND
  }
  await app.register(rateLimit, {
    global: false,
    timeWindow: WINDOW_MS,
    cache: REMEMBERED,
    enableDraftSpec: true,
    keyGenerator: (request) => request.session?.userId ?? networkOf(request),
    errorResponseBuilder: () => new Problem('too-many-requests')
  })
  // One limiter a class, shared by its routes: the plugin's own route option would count each route apart.
  const limiters = Object.fromEntries(
    Object.entries(budgets).map(([limit, max]) => [limit, app.rateLimit({ max })])
  ) as Record<LimitClass, onRequestAsyncHookHandler>
  app.addHook('onRoute', (route) => {
    const reads = [route.method].flat().some((method) => method === 'GET' || method === 'HEAD')
    const limit = route.config?.limit ?? (reads ? 'read' : 'write')
    if (limit !== false) route.onRequest = [route.onRequest ?? [], limiters[limit]].flat()
  })
}
