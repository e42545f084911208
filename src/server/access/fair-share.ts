import type { FastifyInstance, FastifyRequest } from 'fastify'
import { Problem } from '../http/problem.js'
import { sessionOf } from './auth.js'

declare module 'fastify' {
  interface FastifyContextConfig {
    /** The most milliseconds that a call counts for. With 0 it neither counts nor waits. */
    share?: number
  }
}

/** What a user's calls may take at first, in milliseconds. */
const AT_FIRST_MS = 250
/** Calls of a user that run at the same time. */
const AT_ONCE = 4
/** A call that waits for something else does not keep its user out for long. */
const MOST_MS = 500
/** Calls of a user that may wait. */
const MAX_WAITING = 100
/** Users that are looked at for old entries, when there are more. */
const REMEMBERED = 10_000

interface Taken {
  /** Milliseconds that count at `at`. They fall with time. */
  ms: number
  at: number
  running: number
  readonly waiting: (() => void)[]
  timer: NodeJS.Timeout | undefined
}

/**
 * What a call takes from others is time. A user's calls may take some at first, and then a share of all time: further
 * ones wait.
 */
export class FairShare {
  readonly #share: number
  readonly #users = new Map<string, Taken>()

  /** @param share of all time, for one user: above 0, at most 1 */
  constructor(share: number) {
    this.#share = share
  }

  /** @throws {Problem} `too-many-requests` if as many calls of the user wait as may */
  async enter(user: string): Promise<void> {
    const taken = this.#of(user)
    if (taken.waiting.length === 0 && taken.running < AT_ONCE && this.#wait(taken) === 0) {
      taken.running++
      return
    }
    if (taken.waiting.length >= MAX_WAITING) {
      const seconds = Math.max(1, Math.ceil(this.#wait(taken) / 1000))
      throw new Problem('too-many-requests', 'Your calls take too much time together.', {}, seconds)
    }
    await new Promise<void>((resolve) => {
      taken.waiting.push(resolve)
      this.#startNext(taken)
    })
  }

  /** A call that had entered has ended. */
  leave(user: string, milliseconds: number): void {
    const taken = this.#of(user)
    taken.ms = this.#now(taken) + milliseconds
    taken.at = performance.now()
    taken.running--
    this.#startNext(taken)
  }

  #of(user: string): Taken {
    let taken = this.#users.get(user)
    if (taken === undefined) {
      if (this.#users.size >= REMEMBERED) this.#forgetOld()
      taken = { ms: 0, at: performance.now(), running: 0, waiting: [], timer: undefined }
      this.#users.set(user, taken)
    }
    return taken
  }

  #forgetOld(): void {
    for (const [user, taken] of this.#users)
      if (taken.running === 0 && taken.waiting.length === 0 && this.#now(taken) === 0)
        this.#users.delete(user)
  }

  #now({ ms, at }: Taken): number {
    return Math.max(0, ms - (performance.now() - at) * this.#share)
  }

  /** Milliseconds until the next call may run. */
  #wait(taken: Taken): number {
    return Math.max(0, (this.#now(taken) - AT_FIRST_MS) / this.#share)
  }

  #startNext(taken: Taken): void {
    if (taken.waiting.length === 0 || taken.running >= AT_ONCE || taken.timer !== undefined) return
    const start = () => {
      taken.timer = undefined
      if (this.#wait(taken) === 0) {
        taken.running++
        taken.waiting.shift()!()
      }
      this.#startNext(taken)
    }
    taken.timer = setTimeout(start, this.#wait(taken)).unref()
  }
}

/** Let the calls of each user take a share of the server's time. */
export function shareFairly(app: FastifyInstance, share: number): void {
  const fair = new FairShare(share)
  const since = new WeakMap<FastifyRequest, number>()
  const leave = (request: FastifyRequest) => {
    const start = since.get(request)
    if (start === undefined) return
    since.delete(request)
    fair.leave(sessionOf(request).userId, Math.min(performance.now() - start, mostOf(request)))
  }
  app.addHook('preParsing', (request, reply, _payload, done) => {
    if (mostOf(request) === 0) return done()
    fair.enter(sessionOf(request).userId).then(() => {
      since.set(request, performance.now())
      // Its client may have left meanwhile.
      if (reply.raw.destroyed) return leave(request)
      reply.raw.once('close', () => leave(request))
      done()
    }, done)
  })
  app.addHook('onSend', (request, _reply, _payload, done) => {
    leave(request)
    done()
  })
}

function mostOf({ routeOptions }: FastifyRequest): number {
  return routeOptions.config.share ?? MOST_MS
}
