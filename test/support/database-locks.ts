import { sql } from 'drizzle-orm'
import pg from 'pg'
import type { Db } from '../../src/server/db/database.js'
import { rows } from '../../src/server/db/rows.js'
import { eventually } from './eventually.js'
import type { Scope } from './server-process.js'

/** Resolves when this number of transactions wait for locks. */
export function areHeldUp(db: Db, many: number): Promise<void> {
  const waiting = sql`select 1 as n from pg_locks where not granted`
  return eventually(async () => (await rows(db, waiting)).length >= many, `${many} wait`)
}

/** A connection of a test's own to a database, on which it can take locks that hold up a server. */
export class LockHolder {
  readonly client: pg.Client
  /** Inside of a transaction, `pg_stat_activity` stays as it was at the first look. */
  readonly #observer: pg.Client
  readonly #pid: number

  private constructor(client: pg.Client, observer: pg.Client, pid: number) {
    this.client = client
    this.#observer = observer
    this.#pid = pid
  }

  static async connect(owner: Scope, connectionString: string): Promise<LockHolder> {
    const [client, observer] = [1, 2].map(() => new pg.Client({ connectionString })) as [pg.Client, pg.Client]
    for (const one of [client, observer]) {
      await one.connect()
      owner.teardown(() => one.end())
    }
    const { rows } = await client.query<{ pid: number }>('select pg_backend_pid() as pid')
    return new LockHolder(client, observer, rows[0]!.pid)
  }

  /** Resolves when this connection waits for somebody else's lock. */
  isHeldUp(): Promise<void> {
    return this.#finds('select where cardinality(pg_blocking_pids($1)) > 0', 'a lock is waited for')
  }

  /**
   * Resolves when a statement waits for a lock that this connection holds, or waits for before it.
   *
   * @param text a part of the statement's first kilobyte: PostgreSQL shows no more
   */
  holdsUp(text = ''): Promise<void> {
    const query = `select from pg_stat_activity where $1 = any(pg_blocking_pids(pid)) and query like '%${text}%'`
    return this.#finds(query, `a statement with "${text}" waits`)
  }

  /** Cancel the statements that wait for this connection's locks, as a time limit of the database does. */
  async cancelHeldUp(): Promise<void> {
    const query = 'select pg_cancel_backend(pid) from pg_stat_activity where $1 = any(pg_blocking_pids(pid))'
    await this.#observer.query(query, [this.#pid])
  }

  #finds(query: string, what: string): Promise<void> {
    return eventually(async () => (await this.#observer.query(query, [this.#pid])).rowCount !== 0, what)
  }
}
