import { and, eq, gt, sql } from 'drizzle-orm'
import type { FastifyReply, FastifyRequest } from 'fastify'
import type { Db } from '../db/database.js'
import { sessions, users } from '../db/schema.js'
import type { CounterSync } from './counter-sync.js'
import { networkOf, requireNoWait } from './rate-limits.js'
import type { WindowCounter } from './window-counter.js'

/** Most networks that are remembered as their users' own. */
const REMEMBERED = 100_000
const DETAIL = 'There were too many log-ins with a wrong password. Wait for the time in `Retry-After`.'

/**
 * Bounds on guessing passwords, without a way to lock out the owner. Failures are bounded for an account from
 * one network, and for an account from all networks; the networks on which its owner has logged in are let
 * through the second bound (NIST SP 800-63B-3, section 5.2.2; OWASP, "Slow Down Online Guessing Attacks with
 * Device Cookies"). Names that do not exist count in the same way.
 */
export class LoginThrottle {
  readonly #here: WindowCounter
  readonly #everywhere: WindowCounter
  /** How many passwords are being tried, by place. */
  readonly #underWay = new Map<string, number>()
  /** Where this process has seen the owners of accounts. */
  readonly #known = new Set<string>()
  readonly #db: Db

  constructor(db: Db, attempts: CounterSync) {
    this.#here = attempts.of('guesses-here')
    this.#everywhere = attempts.of('guesses-everywhere')
    this.#db = db
  }

  /** Refuse at once what would be refused when its turn has come. @throws {Problem} `too-many-requests` */
  requireAttempt(username: string, request: FastifyRequest, reply: FastifyReply): void {
    this.#requireNoWait(this.#waitHere(placeOf(username, request)), request, reply)
  }

  #requireNoWait(wait: number, request: FastifyRequest, reply: FastifyReply): void {
    if (wait > 0) logFailedLogin(request, 'limit-reached')
    requireNoWait(reply, wait, DETAIL)
  }

  /**
   * Try a password. The attempt counts as a failure until the password proves right, so that many attempts at
   * once gain nothing.
   *
   * @throws {Problem} `too-many-requests`, before it is tried
   */
  async attempt<T extends { ok: boolean }>(
    username: string,
    request: FastifyRequest,
    reply: FastifyReply,
    verify: () => Promise<T>
  ): Promise<T> {
    const place = placeOf(username, request)
    const isOpen = this.#everywhere.wait(username) === 0 || (await this.#isOwners(username, request))
    // From here to the count nothing waits: attempts that come at once are counted one after the other.
    const wait = this.#waitHere(place) || (isOpen ? 0 : this.#everywhere.wait(username))
    this.#requireNoWait(wait, request, reply)
    this.#here.count(place)
    this.#everywhere.count(username)
    this.#underWay.set(place, (this.#underWay.get(place) ?? 0) + 1)
    try {
      const result = await verify()
      if (result.ok) {
        this.#here.forget(place)
        this.#everywhere.takeBack(username)
        this.remember(username, request)
      }
      return result
    } catch (error) {
      this.#here.takeBack(place)
      this.#everywhere.takeBack(username)
      throw error
    } finally {
      const left = this.#underWay.get(place)! - 1
      if (left > 0) this.#underWay.set(place, left)
      else this.#underWay.delete(place)
    }
  }

  /** Seconds. While passwords are being tried they count as wrong, but soon one of them may prove right. */
  #waitHere(place: string): number {
    const wait = this.#here.wait(place)
    return this.#underWay.has(place) ? Math.min(1, wait) : wait
  }

  /** The owner has proved who they are in another way than with the password, which is new. */
  forgive(username: string, request: FastifyRequest): void {
    this.#here.forget(placeOf(username, request))
    this.remember(username, request)
  }

  /** Whether the owner has been seen in the network of this request: here, or where a session of theirs began. */
  async #isOwners(username: string, request: FastifyRequest): Promise<boolean> {
    if (this.#known.has(placeOf(username, request))) return true
    const network = networkOf(request)
    const isHere = (address: string) => networkOf({ address }) === network
    return (await sessionAddresses(this.#db, username)).some(isHere)
  }

  /** Remember that the owner of an account uses the network of this request. */
  remember(username: string, request: FastifyRequest): void {
    const place = placeOf(username, request)
    this.#known.delete(place)
    if (this.#known.size >= REMEMBERED) this.#known.delete(this.#known.values().next().value!)
    this.#known.add(place)
  }
}

/** Where the sessions of a user began that have not ended. */
async function sessionAddresses(db: Db, username: string): Promise<string[]> {
  const found = await db
    .select({ address: sessions.address })
    .from(sessions)
    .innerJoin(users, eq(users.id, sessions.userId))
    .where(and(eq(users.username, username), gt(sessions.expiresAt, sql`now()`)))
  return found.map(({ address }) => address)
}

/** A line for whoever watches the log for attackers: the address, and no name. */
export function logFailedLogin(
  request: FastifyRequest,
  reason:
    | 'wrong-password'
    | 'unknown-name'
    | 'wrong-signature'
    | 'unknown-device'
    | 'used-nonce'
    | 'wrong-link'
    | 'limit-reached'
): void {
  request.log.info({ instance: request.id, address: request.address, reason }, 'log-in failed')
}

function placeOf(username: string, request: FastifyRequest): string {
  return `${username} ${networkOf(request)}`
}
