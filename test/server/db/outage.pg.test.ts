import { once } from 'node:events'
import { connect } from 'node:net'
import pg from 'pg'
import t, { type Test } from 'tap'
import { isDatabaseDown } from '../../../src/server/db/errors.js'
import { LockHolder } from '../../support/database-locks.js'
import { eventually } from '../../support/eventually.js'
import { losableAddress, type LosableAddress } from '../../support/far-network.js'
import { conversation, user } from '../../support/people.js'
import { startPostgres } from '../../support/postgres.js'
import { ServerProcess, freePort, startServer } from '../../support/server-process.js'
import { wayTo } from '../../support/way-to.js'
import type { InteropClient } from '../../support/interop/client.js'
import { expect, problem } from '../../support/interop/http.js'

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

async function readiness({ url }: ServerProcess) {
  const answer = await fetch(`${url}/readyz`)
  return { status: answer.status, retry: answer.headers.get('retry-after'), text: await answer.text() }
}

/** That a call of each kind says so. */
async function areUnavailable(t: Test, by: InteropClient, conversationId: string): Promise<void> {
  for (const answer of [await by.post(conversationId, by.seal(conversationId, 'hello')), await by.login()]) {
    t.equal(`${answer.status} ${problem(answer)}`, '503 database-unavailable')
    t.ok(Number(answer.headers['retry-after']) > 0)
  }
}

/** That the log has a line for the beginning of the outage, and one for its end. */
function hasOneLine(t: Test, { output }: ServerProcess): void {
  const count = (what: string) => output.split(what).length - 1
  t.equal(count('"the database is unavailable"'), 1)
  t.equal(count('"level":50'), 0)
  const warnings = count('"level":40') - count('the notifier has lost its connection')
  t.equal(warnings, 1, 'nothing else complains')
  t.match(output, /"failures":\d+,"msg":"the database is available again"/)
}

const postgres = await startPostgres(t)
if (postgres !== undefined) {
  const far = losableAddress(t)
  const skip = typeof far === 'string' && far
  t.test(
    'While no route leads to the database, calls get 503 and the log has one line',
    { skip },
    async (t) => {
      const { address, lose, restore } = far as LosableAddress
      const databaseUrl = new URL(await postgres.newDatabase())
      databaseUrl.host = `${address}:${(await wayTo(t, databaseUrl, address)).port}`
      // Nothing tells a connection that its packets get lost.
      const env = { LOG_LEVEL: 'info', WORKERS: '1', REDIS_URL: '', DATABASE_STATEMENT_TIMEOUT: '1' }
      const server = await startServer(t, { databaseUrl: databaseUrl.href, env })
      const alice = await user(t, server, 'alice')
      const id = await conversation(alice, [])
      const stream = await alice.live()
      for (const code of ['EHOSTUNREACH', 'ENETUNREACH'] as const) {
        lose(code)
        const refused = once(connect(Number(databaseUrl.port), address), 'connect')
        await t.rejects(refused, { code })
        await eventually(async () => (await readiness(server)).status === 503, 'it is not ready')
        t.match(await readiness(server), { retry: /^[1-9]/, text: /database-unavailable/ })
        for (let i = 0; i < 5; i++) await areUnavailable(t, alice, id)
      }
      restore()
      await eventually(async () => (await readiness(server)).status === 200, 'it is ready')
      const { position } = expect(await alice.post(id, alice.seal(id, 'hello')), 201).body
      await stream.waitFor(({ data }) => data['position'] === position)
      await eventually(() => server.output.includes('the database is available again'), 'the end is logged')
      hasOneLine(t, server)
    }
  )

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
    await readOnly('on')
    await eventually(async () => (await readiness(server)).status === 503, 'it is not ready')
    const { retry, text } = await readiness(server)
    t.ok(Number(retry) > 0)
    t.match(text, /database-unavailable/)
    for (let i = 0; i < 5; i++) await areUnavailable(t, alice, id)
    await readOnly('off')
    await eventually(async () => (await readiness(server)).status === 200, 'it is ready')
    t.equal((await alice.post(id, alice.seal(id, 'hello'))).status, 201)
    await eventually(() => server.output.includes('the database is available again'), 'the end is logged')
    hasOneLine(t, server)
  })

  /** A server with a short time-out, on a way to the database that can be held, and a call that opens a transaction. */
  async function onWay(t: Test) {
    const databaseUrl = await postgres!.newDatabase()
    const through = new URL(databaseUrl)
    const way = await wayTo(t, through)
    through.port = String(way.port)
    const env = { WORKERS: '1', REDIS_URL: '', DATABASE_STATEMENT_TIMEOUT: '1', DATABASE_POOL_SIZE: '2' }
    const server = await startServer(t, { databaseUrl: through.href, env })
    const alice = await user(t, server, 'alice')
    const change = async () => {
      const answer = await alice.raw('PATCH', '/v1/users/me', { body: { contactPolicy: 'nobody' } })
      return `${answer.status} ${problem(answer)}`.trim()
    }
    return { databaseUrl, way, server, change }
  }

  t.test('A connection on which no transaction could begin is replaced', async (t) => {
    const { databaseUrl, way, server, change } = await onWay(t)
    t.strictSame(await Promise.all([change(), change()]), ['200', '200'])
    const { client } = await LockHolder.connect(t, databaseUrl)
    way.hold()
    const unavailable = '503 database-unavailable'
    t.strictSame(await Promise.all([change(), change()]), [unavailable, unavailable])
    const isOver = async () =>
      (await client.query("select from pg_stat_activity where state = 'idle in transaction'")).rowCount === 0
    await eventually(isOver, 'the database has ended the transactions')
    way.release()
    await eventually(async () => (await readiness(server)).status === 200, 'it is ready')
    t.strictSame(await Promise.all([change(), change()]), ['200', '200'])
  })

  t.test('A connection that breaks between two statements ends one call, and not the server', async (t) => {
    const { databaseUrl, way, change } = await onWay(t)
    const holder = await LockHolder.connect(t, databaseUrl)
    await holder.client.query('begin')
    await holder.client.query('select from users for no key update')
    const broken = change()
    await holder.holdsUp('no key update')
    way.hold()
    await holder.client.query('commit')
    // The answer to the statement and the end of the connection come in one piece.
    const end = `select pg_terminate_backend(pid, 10000) from pg_stat_activity
      where datname = current_database() and state = 'idle in transaction'`
    await eventually(async () => (await holder.client.query(end)).rowCount === 1, 'the connection has ended')
    way.release()
    t.equal(await broken, '503 database-unavailable')
    t.equal(await change(), '200')
  })
}
