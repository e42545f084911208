import { sql } from 'drizzle-orm'
import { Settings, Statistics, StorageUse } from '../../../protocol/admin-server.js'
import { ref } from '../../../protocol/schema.js'
import { VERSION } from '../../../protocol/version.js'
import { rows } from '../../db/rows.js'
import type { App } from '../../http/app.js'
import type { Services } from '../../services.js'

/** The server as a whole: how much there is, what it takes, and how it is set up. */
export function serverRoutes(app: App, { config, db, hub }: Pick<Services, 'config' | 'db' | 'hub'>): void {
  app.get(
    '/stats',
    {
      schema: {
        operationId: 'adminGetStatistics',
        summary: 'How many users, devices, sessions, conversations and messages there are',
        response: { 200: ref(Statistics) }
      }
    },
    async () => {
      const [found] = await rows<Omit<Statistics, 'streams'>>(db, STATISTICS)
      return { ...found!, streams: hub.count }
    }
  )

  app.get(
    '/storage',
    {
      schema: {
        operationId: 'adminGetStorage',
        summary: 'What the tables take',
        response: { 200: ref(StorageUse) }
      }
    },
    async () => {
      const [whole] = await rows<{ bytes: number }>(db, DATABASE_SIZE)
      return { databaseBytes: whole!.bytes, tables: await rows<StorageUse['tables'][number]>(db, TABLES) }
    }
  )

  app.get(
    '/config',
    {
      schema: {
        operationId: 'adminGetSettings',
        summary: 'All settings; secrets are left out',
        response: { 200: ref(Settings) }
      }
    },
    () => ({ version: VERSION, settings: config.settings })
  )
}

/** The sums are of small columns: `session_keys` has a row for hundreds of messages. */
const STATISTICS = sql`
select
  (select json_build_object(
    'total', count(*), 'admins', count(*) filter (where role = 'admin'),
    'suspended', count(*) filter (where suspended_at is not null and erased_at is null),
    'erased', count(*) filter (where erased_at is not null)) from users) as users,
  (select count(*) from devices d join users u on u.id = d.user_id
   where d.status = 'active' and u.erased_at is null)::float8 as devices,
  (select count(*) from sessions where expires_at > now())::float8 as sessions,
  (select count(*) from conversations)::float8 as conversations,
  (select coalesce(sum(message_count), 0) from session_keys)::float8 as messages,
  (select count(distinct p.user_id) from presence p join processes o on o.id = p.process_id
   where p.online and o.lease_until > now())::float8 as online`

const DATABASE_SIZE = sql`select pg_database_size(current_database())::float8 as bytes`

const TABLES = sql`
select c.relname as name, pg_total_relation_size(c.oid)::float8 as bytes, greatest(c.reltuples, 0)::float8 as rows
from pg_class c join pg_namespace n on n.oid = c.relnamespace
where n.nspname = current_schema() and c.relkind = 'r' order by 2 desc, 1`
