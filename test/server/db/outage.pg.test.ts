import pg from 'pg'
import t from 'tap'
import { isDatabaseDown } from '../../../src/server/db/errors.js'
import { eventually } from '../../support/eventually.js'
import { conversation, user } from '../../support/people.js'
import { startPostgres } from '../../support/postgres.js'
import { ServerProcess, freePort, startServer } from '../../support/server-process.js'
import { problem } from '../../support/interop/http.js'

t.test('A network that does not lead to the database is an outage, not a fault', (t) => {
  for (const code of ['EHOSTUNREACH', 'ENETUNREACH', 'EHOSTDOWN', 'ENETDOWN', 'ECONNABORTED'])
    t.equal(isDatabaseDown(Object.assign(new Error('connect'), { code })), true, code)
  t.end()
})

t.test('A server waits at its start for a database to which no route leads', async (t) => {
  const databaseUrl = 'postgres://nobody@[2001:db8::1]/nothing'
  const env = { LOG_LEVEL: 'info', DATABASE_START_TIMEOUT: '60' }
  const server = new ServerProcess(await freePort(), '/nowhere', { databaseUrl, env })
  t.teardown(() => server.kill())
  const never = server.start().catch((error: unknown) => (error as Error).message)
  await eventually(() => server.output.includes('waiting for the database'), 'it waits')
  t.equal(await server.stop(), 0)
  t.match(await never, /^the server ended \(0\)/)
})

const postgres = await startPostgres(t)
if (postgres !== undefined) {
  t.test('While the database takes no writes, calls get 503 and the log has one line', async (t) => {
    const databaseUrl = await postgres.newDatabase()
    const server = await startServer(t, { databaseUrl, env: { LOG_LEVEL: 'info', WORKERS: '1' } })
    const alice = await user(t, server, 'alice')
    const id = await conversation(alice, [])
    const admin = new pg.Client({ connectionString: databaseUrl })
    await admin.connect()
    t.teardown(() => admin.end())
    const name = new URL(databaseUrl).pathname.slice(1)
    const readOnly = async (value: 'on' | 'off') => {
      await admin.query(`alter database ${name} set default_transaction_read_only = ${value}`)
      await admin.query(
        'select pg_terminate_backend(pid) from pg_stat_activity where datname = $1 and pid <> pg_backend_pid()',
        [name]
      )
    }
    const readiness = async () => {
      const answer = await fetch(`${server.url}/readyz`)
      return { status: answer.status, retry: answer.headers.get('retry-after'), text: await answer.text() }
    }

    await readOnly('on')
    await eventually(async () => (await readiness()).status === 503, 'it is not ready')
    const { retry, text } = await readiness()
    t.ok(Number(retry) > 0)
    t.match(text, /database-unavailable/)
    for (let i = 0; i < 5; i++) {
      const answers = [await alice.post(id, alice.seal(id, 'hello')), await alice.login()]
      for (const answer of answers) {
        t.equal(`${answer.status} ${problem(answer)}`, '503 database-unavailable')
        t.ok(Number(answer.headers['retry-after']) > 0)
      }
    }
    await readOnly('off')
    await eventually(async () => (await readiness()).status === 200, 'it is ready')
    t.equal((await alice.post(id, alice.seal(id, 'hello'))).status, 201)
    await eventually(() => server.output.includes('the database is available again'), 'the end is logged')
    const count = (what: string) => server.output.split(what).length - 1
    t.equal(count('"the database is unavailable"'), 1)
    t.equal(count('"level":50'), 0)
    const warnings = count('"level":40') - count('the notifier has lost its connection')
    t.equal(warnings, 1, 'nothing else complains')
    t.match(server.output, /"failures":\d+,"msg":"the database is available again"/)
  })
}
