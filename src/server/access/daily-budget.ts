import type { Tx } from '../db/database.js'
import { Problem } from '../http/problem.js'
import type { WindowCounter } from './window-counter.js'

/** The amount that a user wants to spend, and what it is. */
export interface Expense {
  counter: WindowCounter
  userId: string
  amount: number
  /** As in 'You may create'. */
  may: string
  /** As in 'groups'. */
  things: string
}

/**
 * Spend what a user may do within a day.
 *
 * @throws {Problem} `too-many-requests` with `Retry-After`: then nothing was spent
 */
export function spendOfDay({ counter, userId, amount, may, things }: Expense): void {
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

/** Spends as `spendOfDay` does. */
export type Spend = (expense: Expense) => void

/**
 * Run a transaction that spends what a user may do within a day. Unless it commits, all of that is taken back; also
 * after a deadlock, before the transaction is begun again.
 *
 * @param run begins the transaction
 */
export async function spendInTransaction<T>(
  run: <R>(change: (tx: Tx) => Promise<R>) => Promise<R>,
  change: (tx: Tx, spend: Spend) => Promise<T>
): Promise<T> {
  let spent: Expense[] = []
  const takeBack = () => {
    for (const { counter, userId, amount } of spent) counter.takeBack(userId, amount)
    spent = []
  }
  const spend = (expense: Expense) => {
    spendOfDay(expense)
    spent.push(expense)
  }
  try {
    return await run((tx) => {
      takeBack()
      return change(tx, spend)
    })
  } catch (error) {
    takeBack()
    throw error
  }
}
