import { createHmac } from 'node:crypto'
import { sql, type SQL } from 'drizzle-orm'
import type { Config } from '../config.js'
import type { Database, PreparedStatement, Tx } from '../db/database.js'
import { arrayOf, rows } from '../db/rows.js'
import type { Logger } from '../logger.js'
import type { NewEvent } from '../log/append-events.js'
import { LIMITS_RESET } from '../log/entry.js'
import type { Log } from '../log/index.js'
import { countedLimits, type CountedName } from './counted-limits.js'
import { ownerOf, WindowCounter, type Change } from './window-counter.js'

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
from jsonb_to_recordset($1::jsonb) as r(key text, count bigint, ttl int)
order by key
on conflict (key) do update set
  count = case when a.ends_at > now() then greatest(0, a.count + excluded.count) else excluded.count end,
  ends_at = case when a.ends_at > now() then a.ends_at else excluded.ends_at end
returning key, count::float8 as count, ceil(extract(epoch from ends_at - now()) * 1000)::int as ttl`
}

/** What counts against an owner, and for how long, in milliseconds. */
export interface Counted {
  name: CountedName
  count: number
  ttl: number
}

/**
 * Counters of attempts whose limits hold for all processes on a database together. Each process counts by
 * itself, and once a second they exchange what is new. A process learns the count of a key when it adds to it: so
 * only attempts within that second, and the first of each process, can exceed a limit.
 */
export interface CounterSync {
  of: (name: CountedName) => WindowCounter
  /** What counts against these owners now, in all processes. */
  ofOwners: (owners: readonly string[]) => Promise<Counted[]>
  /**
   * Let nothing count against these owners, in all processes. Attempts of the same second may still count.
   *
   * @returns the event to append
   */
  reset: (tx: Tx, owners: readonly string[]) => Promise<NewEvent>
  /**
   * Exchange now. Resolves when all that was counted here before the call is exchanged, or could not be.
   */
  exchange: () => Promise<void>
  stop: () => void
}

interface Parts {
  config: Config
  database: Database
  log: Pick<Log, 'listen'>
  /** Hides in the database whose the counters are. */
  secret: string
  logger: Logger
}

export function startCounterSync(parts: Parts): CounterSync {
  const counters = openCounters(parts.config)
  followResets(parts.log, counters)
  const of = (name: CountedName) => counters.get(name)!
  const resetEvent = (owners: readonly string[]): NewEvent => ({
    type: LIMITS_RESET,
    data: { owners },
    to: 'processes'
  })
  // The embedded database has one process.
  if (parts.database.kind === 'embedded')
    return {
      of,
      ofOwners: (owners) => Promise.resolve(countedHere(counters, owners)),
      reset: (_, owners) => Promise.resolve(resetEvent(owners)),
      exchange: () => Promise.resolve(),
      stop: () => undefined
    }
  const { exchange, stop } = startExchange(parts, counters)
  const rowsOf = (owners: readonly string[]) => ownerRows(parts.secret, owners)
  return {
    of,
    async ofOwners(owners) {
      await exchange()
      const { names, where } = rowsOf(owners)
      const found = await rows<Change>(
        parts.database.db,
        sql`
select key, count::float8 as count, ceil(extract(epoch from ends_at - now()) * 1000)::int as ttl
from attempts where ends_at > now() and count > 0 and ${where}`
      )
      return found.map(({ key, count, ttl }) => ({ name: names.get(key.split('.', 1)[0]!)!, count, ttl }))
    },
    async reset(tx, owners) {
      await tx.execute(sql`
with locked as (select key from attempts where ${rowsOf(owners).where} order by key for update)
delete from attempts a using locked where a.key = locked.key`)
      return resetEvent(owners)
    },
    exchange,
    stop
  }
}

type Counters = ReadonlyMap<CountedName, WindowCounter>

const names = Object.keys(countedLimits) as CountedName[]

function openCounters(config: Config): Counters {
  return new Map(
    names.map((name) => {
      const { max, windowMs } = countedLimits[name]
      return [name, new WindowCounter({ max: max(config), windowMs })]
    })
  )
}

/** Every process sets its own counters to nothing when it reads of a reset. */
function followResets(log: Pick<Log, 'listen'>, counters: Counters): void {
  log.listen((entries) => {
    for (const entry of entries)
      if (entry.type === LIMITS_RESET)
        for (const owner of (JSON.parse(entry.json()) as { owners: string[] }).owners)
          for (const counter of counters.values()) counter.reset(owner)
  })
}

function countedHere(counters: Counters, owners: readonly string[]): Counted[] {
  return [...counters].flatMap(([name, counter]) =>
    owners.flatMap((owner) =>
      counter.ofOwner(owner).flatMap(({ count, ttl }) => (count > 0 ? [{ name, count, ttl }] : []))
    )
  )
}

/** A row's key names its counter and owner, and a place of the owner apart: it is found without knowing the place. */
function rowKey(secret: string, name: CountedName, key: string): string {
  const mac = (text: string) => createHmac('sha256', secret).update(text).digest('base64url')
  const owner = ownerOf(key)
  const ownerKey = mac(`${name} ${owner}`)
  return owner === key ? ownerKey : `${ownerKey}.${mac(key)}`
}

/** SQL: the rows of owners; and the counter that a key belongs to. */
function ownerRows(
  secret: string,
  owners: readonly string[]
): { names: Map<string, CountedName>; where: SQL } {
  const byKey = new Map(
    names.flatMap((name) => owners.map((owner) => [rowKey(secret, name, owner), name] as const))
  )
  return { names: byKey, where: sql`split_part(key, '.', 1) = any (${arrayOf([...byKey.keys()])}::text[])` }
}

function startExchange({ database: { prepared }, secret, logger }: Parts, counters: Counters) {
  for (const counter of counters.values()) counter.share()
  let last = Promise.resolve()
  const exchange = () => (last = last.then(exchangeChanges))

  async function exchangeChanges(): Promise<void> {
    const published = new Map<string, { counter: WindowCounter; change: Change }>()
    for (const [name, counter] of counters)
      for (const change of counter.takeChanges())
        published.set(rowKey(secret, name, change.key), { counter, change })
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
  const stop = () => {
    clearTimeout(timer)
    timer = undefined
  }
  return { exchange, stop }
}
