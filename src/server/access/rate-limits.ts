import rateLimit, {
  normalizeIP,
  type FastifyRateLimitStore,
  type FastifyRateLimitStoreCtor,
  type RateLimitOptions
} from '@fastify/rate-limit'
import type { FastifyInstance, FastifyReply, FastifyRequest, preValidationAsyncHookHandler } from 'fastify'
import { Problem } from '../http/problem.js'
import type { WindowCounter } from './window-counter.js'
import type { Config } from '../config.js'
import type { CounterSync } from './counter-sync.js'

/** Classes of routes, each with a budget per minute: of a network before log-in, of a user after it. */
export type LimitClass = 'auth' | 'read' | 'write' | 'send'

const WINDOW_MS = 60_000

declare module 'fastify' {
  interface FastifyContextConfig {
    /** The budget of a route; by default `read` for GET and HEAD, and `write` for the rest. */
    limit?: LimitClass | false
  }
  interface FastifyInstance {
    /**
     * Let a request count for `amount` more. @throws {Problem} `too-many-requests` if the budget has less
     * left
     */
    spend: Spend
    /** A hook that lets a request count for another key than its caller's. The route has `limit: false`. */
    limitBy: LimitBy
  }
}

/**
 * The network of a request: an IPv4 address, or the /64 of an IPv6 address, which belongs to one customer.
 */
export function networkOf({ address }: Pick<FastifyRequest, 'address'>): string {
  return normalizeIP(address)
}

/** The user of a request with a session, otherwise its network. */
export function callerOf(request: FastifyRequest): string {
  return request.session?.userId ?? networkOf(request)
}

/** @throws {Problem} `too-many-requests` with `Retry-After`, unless `seconds` is 0 */
export function requireNoWait(reply: FastifyReply, seconds: number, detail?: string): void {
  if (seconds === 0) return
  reply.header('retry-after', seconds)
  throw new Problem('too-many-requests', detail)
}

type LimitBy = (
  limit: LimitClass,
  keyOf: (request: FastifyRequest) => string
) => preValidationAsyncHookHandler
type Spend = (request: FastifyRequest, reply: FastifyReply, limit: LimitClass, amount: number) => void

/** Limit every route that is registered after this. */
export async function registerRateLimits(
  app: FastifyInstance,
  config: Config['rateLimits'],
  attempts: CounterSync
): Promise<void> {
  if (!config.enabled) {
    app.decorate('spend', () => undefined)
    app.decorate('limitBy', () => async () => undefined)
    return
  }
  const budgets = config.perMinute
  const spent = mapValues(budgets, (_, limit) => attempts.of(limit))
  await app.register(rateLimit, {
    global: false,
    timeWindow: WINDOW_MS,
    store: storeOf(spent),
    enableDraftSpec: true,
    keyGenerator: callerOf,
    errorResponseBuilder: () => new Problem('too-many-requests')
  })
  // One limiter for each class, shared by its routes: the plugin's own route option would count each route
  // apart.
  const limiters = mapValues(budgets, (max, limit) => app.rateLimit({ max, limit } as RateLimitOptions))
  app.addHook('onRoute', (route) => {
    const reads = [route.method].flat().some((method) => method === 'GET' || method === 'HEAD')
    const limit = route.config?.limit ?? (reads ? 'read' : 'write')
    if (limit !== false) route.onRequest = [route.onRequest ?? [], limiters[limit]].flat()
  })
  const spend: Spend = (request, reply, limit, amount) => {
    const [key, max] = [callerOf(request), budgets[limit]]
    const { current, ttl } = spent[limit].count(key, 0)
    // An amount above the whole budget costs the whole budget.
    const cost = Math.min(amount, max - 1)
    if (current + cost > max) requireNoWait(reply, Math.ceil(ttl / 1000))
    spent[limit].count(key, cost)
    reply.header('ratelimit-remaining', max - current - cost)
  }
  app.decorate('spend', spend)
  app.decorate('limitBy', (limit, keyGenerator) =>
    app.rateLimit({ max: budgets[limit], limit, keyGenerator } as RateLimitOptions)
  )
}

/**
 * Let the plugin count in our own counters, so that processes share them and a request can count for several.
 */
function storeOf(spent: Record<LimitClass, WindowCounter>): FastifyRateLimitStoreCtor {
  return class Store implements FastifyRateLimitStore {
    readonly #spent: WindowCounter

    constructor({ limit = 'read' }: { limit?: LimitClass }) {
      this.#spent = spent[limit]
    }
    incr(key: string, done: (error: null, window: { current: number; ttl: number }) => void): void {
      done(null, this.#spent.count(key))
    }
    child(options: object): Store {
      return new Store(options)
    }
  }
}

function mapValues<V>(of: Record<LimitClass, number>, make: (max: number, limit: LimitClass) => V) {
  const entries = Object.entries(of) as [LimitClass, number][]
  return Object.fromEntries(entries.map(([limit, max]) => [limit, make(max, limit)])) as Record<LimitClass, V>
}
