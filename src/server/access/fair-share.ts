import type { FastifyInstance, FastifyRequest } from 'fastify'
import { Problem } from '../http/problem.js'
import { isOver, whenOver } from '../http/when-over.js'
import { sessionOf } from './auth.js'
import { QueueByKey } from './queue-by-key.js'

declare module 'fastify' {
  interface FastifyContextConfig {
    /** 0 for calls that neither count nor wait. */
    share?: 0
  }
  interface FastifyRequest {
    /** From now on the call waits for something that takes no time of the server. */
    waits: () => void
  }
}

/** What a user's calls may take at first, in milliseconds. */
export const AT_FIRST_MS = 100
/** From here on a user's calls run one by one. */
export const ONE_BY_ONE_MS = 50
/** Calls of a user that run at the same time, as long as they take little. */
export const AT_ONCE = 2
/** A call that waits for something else does not keep its user out for long. */
const MOST_MS = 500
/** Calls of a device that may wait. */
export const MAX_WAITING = 100
/** Users that are looked at for old entries, when there are more. */
const REMEMBERED = 10_000

interface Taken {
  /** Milliseconds that count at `at`. They fall with time. */
  ms: number
  at: number
  running: number
  /** Starts of calls that wait, by device. */
  readonly waiting: QueueByKey<() => void>
  timer: NodeJS.Timeout | undefined
}

/**
 * A call takes time from others. A user's calls may take some at first, and then a share of all time: further
 * ones wait. The devices of a user take turns, so that a stolen one does not shut out the others.
 */
export class FairShare {
  readonly #share: number
  readonly #users = new Map<string, Taken>()

  /** @param share of all time, for one user: above 0, at most 1 */
  constructor(share: number) {
    this.#share = share
  }

  /**
   * @param gone calls its listener when the client leaves
   * @returns false if the client has left
   * @throws {Problem} `too-many-requests` if as many calls of the device wait as may
   */
  async enter(user: string, device: string, gone: (listener: () => void) => void): Promise<boolean> {
    const taken = this.#of(user)
    if (taken.waiting.isEmpty && this.#isFree(taken)) {
      taken.running++
      return true
    }
    if (taken.waiting.count(device) >= MAX_WAITING) {
      const seconds = Math.max(1, Math.ceil(this.#wait(taken) / 1000))
      throw new Problem('too-many-requests', 'Your calls take too much time together.', {}, seconds)
    }
    return new Promise<boolean>((resolve) => {
      const start = () => resolve(true)
      taken.waiting.add(device, start)
      gone(() => {
        if (taken.waiting.remove(device, start)) resolve(false)
      })
      this.#startNext(taken)
    })
  }

  /** A call that had entered has ended, or waits for something that takes no time. */
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
      taken = { ms: 0, at: performance.now(), running: 0, waiting: new QueueByKey(), timer: undefined }
      this.#users.set(user, taken)
    }
    return taken
  }

  #forgetOld(): void {
    for (const [user, taken] of this.#users)
      if (taken.running === 0 && taken.waiting.isEmpty && this.#now(taken) === 0) this.#users.delete(user)
  }

  #now({ ms, at }: Taken): number {
    return Math.max(0, ms - (performance.now() - at) * this.#share)
  }

  /** Milliseconds until the next call may run. */
  #wait(taken: Taken): number {
    return Math.max(0, (this.#now(taken) - AT_FIRST_MS) / this.#share)
  }

  #isFree(taken: Taken): boolean {
    return this.#hasPlace(taken) && this.#wait(taken) === 0
  }

  /** Dear calls side by side are felt by others, also if they take no more time together. */
  #hasPlace(taken: Taken): boolean {
    return taken.running < (this.#now(taken) < ONE_BY_ONE_MS ? AT_ONCE : 1)
  }

  #startNext(taken: Taken): void {
    if (taken.waiting.isEmpty || !this.#hasPlace(taken) || taken.timer !== undefined) return
    const look = () => {
      taken.timer = undefined
      const next = this.#isFree(taken) ? taken.waiting.take() : undefined
      if (next !== undefined) {
        taken.running++
        next.item()
      }
      this.#startNext(taken)
    }
    taken.timer = setTimeout(look, this.#wait(taken)).unref()
  }
}

/** Let the calls of each user take a share of the server's time; with null as much as they like. */
export function shareFairly(app: FastifyInstance, share: number | null): void {
  if (share === null) return void app.decorateRequest('waits', () => undefined)
  const fair = new FairShare(share)
  const since = new WeakMap<FastifyRequest, number>()
  app.decorateRequest('waits', function (this: FastifyRequest) {
    const start = since.get(this)
    if (start === undefined) return
    since.delete(this)
    fair.leave(sessionOf(this).userId, Math.min(performance.now() - start, MOST_MS))
  })
  // A body has been read by then, however slowly it came.
  app.addHook('preValidation', (request, reply, done) => {
    if (request.routeOptions.config.share === 0) return done()
    const { userId, deviceId, id } = sessionOf(request)
    const gone = (listener: () => void) => whenOver(reply, listener)
    fair.enter(userId, deviceId ?? id, gone).then((hasEntered) => {
      if (!hasEntered) return
      // The client may have left while the session was looked up. Nothing would give the place back later.
      if (isOver(reply)) return fair.leave(userId, 0)
      since.set(request, performance.now())
      whenOver(reply, () => request.waits())
      done()
    }, done)
  })
  app.addHook('onSend', (request, _reply, _payload, done) => {
    request.waits()
    done()
  })
}
