import pg from 'pg'
import t from 'tap'
import { conversation, user } from '../../support/people.js'
import { startPooler } from '../../support/pooler.js'
import { startPostgres } from '../../support/postgres.js'
import { startServer } from '../../support/server-process.js'
import { generateKeys } from '../../support/interop/crypto.js'
import { expect } from '../../support/interop/http.js'

const postgres = await startPostgres(t)
const pooler = postgres === undefined ? '' : await startPooler(t, postgres.url)
if (typeof pooler === 'string') t.pass(pooler, { skip: pooler })
else if (postgres !== undefined) {
  const through = {
    databaseUrl: pooler.url,
    env: { DATABASE_DIRECT_URL: postgres.url, POLL_INTERVAL: '60000' }
  }
  const here = await startServer(t, through)
  const there = await startServer(t, through)

  t.test(
    'Two servers behind a pooler in transaction mode store, deliver and resume as on PostgreSQL',
    async (t) => {
      const alice = await user(t, here, 'alice', { keys: await generateKeys() })
      const bob = await user(t, there, 'bob', { keys: await generateKeys() })
      const id = await conversation(alice, [bob])
      await bob.fetchKeys(id)
      const streams = [await alice.live(), await bob.live()]
      const positions = await Promise.all(
        Array.from({ length: 200 }, async (_, i) => {
          const by = i % 2 === 0 ? alice : bob
          return expect(await by.post(id, by.seal(id, `m${i}`)), 201).body.position
        })
      )
      const inOrder = [...positions].sort((a, b) => a - b)
      for (const stream of streams) {
        const heard = () => stream.received.filter(({ event }) => event === 'message')
        await stream.until(() => heard().length >= positions.length)
        t.strictSame(
          heard().map(({ data }) => data['position']),
          inOrder
        )
      }
      const again = await bob.live({ after: '0' })
      await again.until(
        () => again.received.filter(({ event }) => event === 'message').length === positions.length
      )
      t.strictSame(
        (await bob.history(id)).map(({ position }) => position),
        inOrder
      )
    }
  )

  t.test('No pooled connection keeps a statement, a lock or a setting', async (t) => {
    const client = new pg.Client({ connectionString: pooler.url })
    await client.connect()
    t.teardown(() => client.end())
    const { rows } = await client.query(
      'select (select count(*)::int from pg_prepared_statements) as statements, (select count(*)::int from pg_listening_channels()) as channels'
    )
    t.strictSame(rows, [{ statements: 0, channels: 0 }])
    const { rows: setting } = await client.query('show enable_seqscan')
    t.strictSame(setting, [{ enable_seqscan: 'on' }])
  })

  t.test('Without a bound on statements, the log says what to set at the pooler', async (t) => {
    t.match(here.output, 'statement_timeout')
  })
}
