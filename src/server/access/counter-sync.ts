import { createHmac } from 'node:crypto'
import { WindowCounter, type Bounds, type Change } from './window-counter.js'
import type { Database, PreparedStatement } from '../db/database.js'
import type { Logger } from '../logger.js'

const EXCHANGE_MS = 1000

/**
 * Add what is new in each window to what all processes have counted there. A window that has ended begins anew. Rows
 * are taken in their order, so that two processes never wait for each other.
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
 * Bounds on attempts that hold for all processes on a database together. Each counts by itself, and once a second they
 * exchange what is new: over the bound is at most what comes in meanwhile.
 */
export interface CounterSync {
  /** @param name the same in all processes, and of no other */
  of: (name: string, bounds: Bounds) => WindowCounter
  stop: () => void
}

export function startCounterSync(
  { kind, prepared: hot }: Database,
  secret: string,
  logger: Logger
): CounterSync {
  const all = new Map<string, WindowCounter>()
  // The embedded database has one process.
  if (kind === 'embedded') return { of: (_, bounds) => new WindowCounter(bounds), stop: () => undefined }

  async function exchange(): Promise<void> {
    const told = new Map<string, { attempts: WindowCounter; change: Change }>()
    for (const [name, attempts] of all)
      for (const change of attempts.takeChanges())
        told.set(createHmac('sha256', secret).update(`${name} ${change.key}`).digest('base64url'), {
          attempts,
          change
        })
    if (told.size === 0) return
    const changes = [...told].map(([key, { change }]) => ({ ...change, key }))
    try {
      for (const known of await hot<Change>(EXCHANGE, [JSON.stringify(changes)])) {
        const { attempts, change } = told.get(known.key)!
        attempts.merge({ ...known, key: change.key })
      }
    } catch (error) {
      // Each process goes on by what it has counted itself.
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
      const attempts = new WindowCounter(bounds)
      attempts.share()
      all.set(name, attempts)
      return attempts
    },
    stop() {
      clearTimeout(timer)
      timer = undefined
    }
  }
}
