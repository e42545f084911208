import { once } from 'node:events'
import { connect, createServer, type AddressInfo, type Socket } from 'node:net'
import { pipeline } from 'node:stream'
import pg from 'pg'
import t, { type Test } from 'tap'
import { isDatabaseDown } from '../../../src/server/db/errors.js'
import { eventually } from '../../support/eventually.js'
import { losableAddress, type LosableAddress } from '../../support/far-network.js'
import { conversation, user } from '../../support/people.js'
import { startPostgres } from '../../support/postgres.js'
import { ServerProcess, freePort, startServer, type Scope } from '../../support/server-process.js'
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

/** A way to the database from another address of this machine. */
async function wayTo(owner: Scope, { hostname, port }: URL, address: string): Promise<number> {
  const open = new Set<Socket>()
  const way = createServer((near) => {
    const far = connect(Number(port), hostname)
    open.add(near).add(far)
    // Either ends with the other.
    pipeline(near, far, near, () => undefined)
  })
  await new Promise<void>((resolve) => way.listen(0, address, resolve))
  owner.teardown(() => {
    way.close()
    for (const socket of open) socket.destroy()
  })
  return (way.address() as AddressInfo).port
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
      databaseUrl.host = `${address}:${await wayTo(t, databaseUrl, address)}`
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
}
