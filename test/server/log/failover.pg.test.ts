import pg from 'pg'
import t from 'tap'
import { expect } from '../../support/interop/http.js'
import { conversation, user } from '../../support/people.js'
import { findPostgres } from '../../support/postgres.js'
import { startServer } from '../../support/server-process.js'

// The checkpoint that a promotion begins takes its time, as on a large database.
const postgres = await findPostgres(t, { settings: ['checkpoint_timeout=1h', 'max_wal_size=4GB'] })
if (typeof postgres === 'string') t.plan(0, postgres)
else
  t.test(
    'After a failover old cursors get `reset`, also while the first checkpoint is under way',
    async (t) => {
      const before = await startServer(t, { databaseUrl: postgres.url })
      const alice = await user(t, before, 'alice')
      const id = await conversation(alice, [])
      expect(await alice.send(id, 'hello'), 201)
      const poll = async (after: string) =>
        expect(
          await alice.raw<{ cursor: string; items: { event: string }[] }>(
            'GET',
            `/v1/events/page?after=${after}`
          ),
          200
        ).body
      const { cursor } = await poll('0')
      await postgres.kill()
      await before.kill()
      const databaseUrl = await postgres.standby()
      const client = new pg.Client({ connectionString: databaseUrl })
      await client.connect()
      t.teardown(() => client.end())
      await client.query('select pg_promote()')
      const { rows } = await client.query('select timeline_id as timeline from pg_control_checkpoint()')
      t.strictSame(rows, [{ timeline: 1 }], 'the last one that has ended is of the old primary')
      const after = await startServer(t, { databaseUrl })
      alice.base = after.url
      t.match((await poll(cursor)).items[0], { event: 'reset' })
    }
  )
