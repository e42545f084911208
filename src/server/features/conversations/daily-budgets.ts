import { spendOfDay } from '../../access/daily-budget.js'
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

  /** @throws {Problem} `too-many-requests` with `Retry-After`: then nothing was spent */
  spend(userId: string, { groups, requests }: { groups: number; requests: number }): void {
    spendOfDay(this.#groups, userId, groups, 'You may create', 'groups')
    try {
      spendOfDay(this.#requests, userId, requests, 'You may send', 'requests to strangers')
    } catch (error) {
      this.#groups.takeBack(userId, groups)
      throw error
    }
  }
}
