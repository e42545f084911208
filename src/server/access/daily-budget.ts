import { Problem } from '../http/problem.js'
import type { WindowCounter } from './window-counter.js'

/**
 * Spend what a user may do within a day.
 *
 * @param may as in 'You may create'
 * @param things as in 'groups'
 * @throws {Problem} `too-many-requests` with `Retry-After`: then nothing was spent
 */
export function spendOfDay(
  counter: WindowCounter,
  userId: string,
  amount: number,
  may: string,
  things: string
): void {
  if (amount === 0 || !Number.isFinite(counter.max)) return
  const { current, ttl } = counter.count(userId, amount)
  if (current <= counter.max) return
  counter.takeBack(userId, amount)
  const left = Math.max(0, counter.max - current + amount)
  const seconds = Math.max(1, Math.ceil(ttl / 1000))
  const until = new Date(Date.now() + seconds * 1000).toISOString()
  const detail = `${may} ${counter.max} ${things} within 24 hours, and you have ${left} left. The next 24 hours begin at ${until}.`
  throw new Problem('too-many-requests', detail, { until }, seconds)
}
