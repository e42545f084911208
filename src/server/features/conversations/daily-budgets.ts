import type { WindowCounter } from '../../access/window-counter.js'
import { Problem } from '../../http/problem.js'
import type { Services } from '../../services.js'

const DAY_MS = 24 * 3600 * 1000

interface Amounts {
  groups: number
  requests: number
}

/** What one user may begin within a day. */
export class DailyBudgets {
  readonly #max: Amounts
  readonly #groups: WindowCounter
  readonly #requests: WindowCounter

  constructor({ config, attempts }: Pick<Services, 'config' | 'attempts'>) {
    this.#max = config.contacts.perDay
    this.#groups = attempts.of('groups-created', { max: this.#max.groups, windowMs: DAY_MS })
    this.#requests = attempts.of('requests-sent', { max: this.#max.requests, windowMs: DAY_MS })
  }

  /** @throws {Problem} `too-many-requests` with `Retry-After`: then nothing was spent */
  spend(userId: string, { groups, requests }: Amounts): void {
    take(this.#groups, userId, groups, this.#max.groups, 'You may create', 'groups')
    try {
      take(this.#requests, userId, requests, this.#max.requests, 'You may send', 'requests to strangers')
    } catch (error) {
      this.#groups.count(userId, -groups)
      throw error
    }
  }
}

function take(
  counter: WindowCounter,
  userId: string,
  amount: number,
  max: number,
  may: string,
  things: string
): void {
  if (amount === 0 || !Number.isFinite(max)) return
  const { current, ttl } = counter.count(userId, amount)
  if (current <= max) return
  counter.count(userId, -amount)
  const seconds = Math.max(1, Math.ceil(ttl / 1000))
  const until = new Date(Date.now() + seconds * 1000).toISOString()
  const detail = `${may} ${max} ${things} within 24 hours, and you have ${max - current + amount} left. Others at ${until}.`
  throw new Problem('too-many-requests', detail, { until }, seconds)
}
