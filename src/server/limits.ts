import rateLimit, { normalizeIP } from '@fastify/rate-limit'
import type { FastifyInstance, onRequestAsyncHookHandler } from 'fastify'
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
    // Of IPv6 it is the /64 that counts, which one customer has to himself.
    keyGenerator: (request) => request.session?.userId ?? normalizeIP(request.ip),
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
