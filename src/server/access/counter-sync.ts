import { createHmac } from 'node:crypto'
import { WindowCounter, type Bounds, type Change } from './window-counter.js'
import type { Database, PreparedStatement } from '../db/database.js'
import type { Logger } from '../logger.js'

const EXCHANGE_MS = 1000

/**
 * Add this process' new attempts to the count of all processes. A window that has ended starts again. Rows
 * are locked in the order of their keys, so that two processes never wait for each other.
 */
const EXCHANGE: PreparedStatement = {
  name: 'exchange-attempts',
  text: `
insert into attempts as a (key, count, ends_at)
select key, count, now() + ttl * interval '1 millisecond'
from jsonb_to_recordset($1::jsonb) as r(key text, count int, ttl int)
order by key
on conflict (key) do update set
  count = case when a.ends_at > now() then greatest(0, a.count + excluded.count) else excluded.count end,
  ends_at = case when a.ends_at > now() then a.ends_at else excluded.ends_at end
returning key, count, ceil(extract(epoch from ends_at - now()) * 1000)::int as ttl`
}

/**
 * Counters of attempts whose bounds hold for all processes on a database together. Each process counts by
 * itself, and once a second they exchange what is new: only attempts within that second can exceed a bound.
 */
export interface CounterSync {
  /** @param name of the counter, the same in all processes */
  of: (name: string, bounds: Bounds) => WindowCounter
  /**
   * Exchange now, for tests. Resolves when all that was counted here before the call is exchanged, or could
   * not be.
   */
  exchange: () => Promise<void>
  stop: () => void
}

export function startCounterSync({ kind, prepared }: Database, secret: string, logger: Logger): CounterSync {
  const counters = new Map<string, WindowCounter>()
  // The embedded database has one process.
  if (kind === 'embedded')
    return {
      of: (_, bounds) => new WindowCounter(bounds),
      exchange: () => Promise.resolve(),
      stop: () => undefined
    }

  let last = Promise.resolve()
  const exchange = () => (last = last.then(exchangeChanges))

  async function exchangeChanges(): Promise<void> {
    const published = new Map<string, { counter: WindowCounter; change: Change }>()
    for (const [name, counter] of counters)
      for (const change of counter.takeChanges())
        published.set(createHmac('sha256', secret).update(`${name} ${change.key}`).digest('base64url'), {
          counter,
          change
        })
    if (published.size === 0) return
    const changes = [...published].map(([key, { change }]) => ({ ...change, key }))
    try {
      for (const known of await prepared<Change>(EXCHANGE, [JSON.stringify(changes)])) {
        const { counter, change } = published.get(known.key)!
        counter.merge({ ...known, key: change.key })
      }
    } catch (error) {
      // Each process goes on with its own counts.
      logger.debug({ err: error }, 'attempts were not exchanged')
    }
  }

  let timer: NodeJS.Timeout | undefined
  const later = () => {
    timer = setTimeout(() => void exchange().then(() => timer && later()), EXCHANGE_MS)
    timer.unref()
  }
  later()
  return {
    of(name, bounds) {
      const counter = new WindowCounter(bounds)
      counter.share()
      counters.set(name, counter)
      return counter
    },
    exchange,
    stop() {
      clearTimeout(timer)
      timer = undefined
    }
  }
}
