import { sql } from 'drizzle-orm'
import type { Db } from './database.js'
import { isDatabaseDown, isForbidden } from './errors.js'
import { rows } from './rows.js'

/** SQL: the timeline of the WAL that is written now. After a failover the last checkpoint has the old one for minutes. */
const WRITTEN = `('x' || left(pg_walfile_name(pg_current_wal_lsn()), 8))::bit(32)::int`

/** SQL: the timeline of the last checkpoint, for a host that does not say which WAL it writes. */
const CHECKPOINT = `(select timeline_id from pg_control_checkpoint())`

/** Names a PostgreSQL cluster, its timeline and the database. */
export async function postgresOrigin(db: Db): Promise<string> {
  const [database] = await rows<{ oid: string }>(
    db,
    sql`select oid::text from pg_database where datname = current_database()`
  )
  const cluster = await clusterWith(db, WRITTEN)
    .catch((error: unknown) => {
      if (isDatabaseDown(error)) throw error
      return clusterWith(db, CHECKPOINT)
    })
    .catch((error: unknown) => {
      // Hosted databases may refuse both; the oid still tells databases of one cluster apart.
      if (isForbidden(error)) return ''
      throw error
    })
  return `${cluster}/${database?.oid}`
}

async function clusterWith(db: Db, timeline: string): Promise<string> {
  const [cluster] = await rows<{ id: string }>(
    db,
    sql`select system_identifier || '/' || ${sql.raw(timeline)} as id from pg_control_system()`
  )
  return cluster!.id
}
