import { setTimeout as sleep } from 'node:timers/promises'
import t from 'tap'
import pg from 'pg'
import { call, newAgent } from '../../support/interop/http.js'
import { user } from '../../support/people.js'
import { startPostgres } from '../../support/postgres.js'
import { startChat } from '../../support/start-chat.js'

const postgres = await startPostgres(t)
if (postgres !== undefined)
  t.test('A log-in that is refused in a flood has cost the database nothing', async (t) => {
    const chat = await startChat(t, {
      DATABASE_URL: postgres.url,
      PASSWORD_QUEUE: '1',
      PASSWORD_ITERATIONS: '600000'
    })
    const alice = await user(t, chat, 'alice')
    const client = new pg.Client({ connectionString: postgres.url })
    await client.connect()
    t.teardown(() => client.end())
    const agent = newAgent(200)
    t.teardown(() => agent.destroy())
    /** PostgreSQL counts what a connection has done within a second of it. */
    const statements = async () => {
      await sleep(1500)
      const { rows } = await client.query<{ count: number }>(
        'select xact_commit::int as count from pg_stat_database where datname = current_database()'
      )
      return rows[0]!.count
    }
    const body = { username: 'alice', password: alice.password }
    const before = await statements()
    const answers = await Promise.all(
      Array.from({ length: 200 }, () =>
        call(chat.url, agent, { method: 'POST', path: '/v1/auth/login', body })
      )
    )
    const refused = answers.filter(({ status }) => status === 503).length
    t.ok(refused > 150, `${refused} of 200 are refused`)
    const cost = (await statements()) - before
    t.ok(cost < 100, `all took ${cost} transactions, with those of the server itself`)
  })
