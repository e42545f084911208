import type { Spend } from '../../access/daily-budget.js'
import type { WindowCounter } from '../../access/window-counter.js'
import type { Services } from '../../services.js'

/** What one user may begin within a day. */
export class DailyBudgets {
  readonly #groups: WindowCounter
  readonly #requests: WindowCounter

  constructor({ attempts }: Pick<Services, 'attempts'>) {
    this.#groups = attempts.of('groups')
    this.#requests = attempts.of('requests')
  }

  /** @throws {Problem} `too-many-requests` with `Retry-After` */
  spend(spend: Spend, userId: string, { groups, requests }: { groups: number; requests: number }): void {
    spend({ counter: this.#groups, userId, amount: groups, may: 'You may create', things: 'groups' })
    const things = 'requests to strangers'
    spend({ counter: this.#requests, userId, amount: requests, may: 'You may send', things })
  }
}
