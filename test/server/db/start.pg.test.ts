import { setTimeout as sleep } from 'node:timers/promises'
import pg from 'pg'
import t from 'tap'
import { eventually } from '../../support/eventually.js'
import { user } from '../../support/people.js'
import { startPostgres } from '../../support/postgres.js'
import { ServerProcess, freePort, startServer } from '../../support/server-process.js'

const postgres = await startPostgres(t)
if (postgres !== undefined) {
  /** What a server says that refuses to start, without what comes before its last words. */
  const refusal = async (databaseUrl: string, env: Record<string, string> = {}): Promise<string> =>
    startServer(t, { databaseUrl, env }).then(
      () => 'it has started',
      (error: unknown) => (error as Error).message
    )

  t.test('Three servers that start at once on an empty database all become ready', async (t) => {
    const databaseUrl = await postgres.newDatabase()
    const servers = await Promise.all([1, 2, 3].map(() => startServer(t, { databaseUrl })))
    for (const [i, server] of servers.entries()) await user(t, server, `user${i}`)
    const [first] = servers
    for (const server of servers) {
      const answer = await fetch(`${server.url}/v1/auth/login`, {
        method: 'POST',
        headers: { 'content-type': 'application/json' },
        body: JSON.stringify({ username: 'user0', password: 'correct horse user0 battery' })
      })
      const { accessToken } = (await answer.json()) as { accessToken: string }
      const headers = { authorization: `Bearer ${accessToken}` }
      t.equal((await fetch(`${first!.url}/v1/users/me`, { headers })).status, 200, 'they share one secret')
    }
  })

  t.test('A database that a newer version has migrated is refused in one sentence', async (t) => {
    const databaseUrl = await postgres.newDatabase()
    const server = await startServer(t, { databaseUrl })
    t.equal(await server.stop(), 0)
    const client = new pg.Client({ connectionString: databaseUrl })
    await client.connect()
    t.teardown(() => client.end())
    await client.query('insert into drizzle.__drizzle_migrations (hash, created_at) values ($1, $2)', [
      'f'.repeat(64),
      Date.now()
    ])
    t.equal(
      await refusal(databaseUrl),
      'the server ended (1):\nsecure-chat: The database has 1 migration(s) that this version does not know: ' +
        'run the newer version of the server.\n'
    )
    const isLeft = async () => {
      const { rowCount } = await client.query(
        'select from pg_stat_activity where datname = current_database() and pid <> pg_backend_pid()'
      )
      return rowCount === 0
    }
    await eventually(isLeft, 'and it leaves no connection behind')
  })

  t.test('A server waits for its database, no longer than DATABASE_START_TIMEOUT', async (t) => {
    const databaseUrl = await postgres.newDatabase()
    await postgres.stop()
    const env = { LOG_LEVEL: 'info' }
    const patient = new ServerProcess(await freePort(), '/nowhere', { databaseUrl, env })
    const stopped = new ServerProcess(await freePort(), '/nowhere', { databaseUrl, env })
    t.teardown(() => Promise.all([patient.kill(), stopped.kill()]))
    const ready = patient.start()
    const never = stopped.start().catch((error: unknown) => (error as Error).message)
    const waits = (server: ServerProcess) => server.output.includes('waiting for the database')
    await eventually(() => waits(patient) && waits(stopped), 'both wait')
    t.match(patient.output, /"reason":"[^"]*ECONNREFUSED/)
    t.equal(await stopped.stop(), 0, 'a signal ends the waiting at once')
    t.match(await never, /^the server ended \(0\)/)

    const late = await refusal(databaseUrl, { DATABASE_START_TIMEOUT: '1' })
    t.match(
      late,
      /^the server ended \(1\):\nsecure-chat: The database is not ready after 1 s: connect ECONNREFUSED [^\n]*\n$/
    )
    await postgres.restart()
    await ready
    await user(t, patient, 'alice')
  })

  t.test('A start waits for another migration however short the time-outs of the role are', async (t) => {
    const databaseUrl = await postgres.newDatabase()
    const admin = new pg.Client({ connectionString: databaseUrl })
    await admin.connect()
    t.teardown(() => admin.end())
    const database = new URL(databaseUrl).pathname.slice(1)
    for (const setting of ['statement_timeout', 'lock_timeout'])
      await admin.query(`alter database ${database} set ${setting} = '300ms'`)
    await admin.query('select pg_advisory_lock(7236418203)')
    const server = new ServerProcess(await freePort(), '/nowhere', {
      databaseUrl,
      env: { LOG_LEVEL: 'info', WORKERS: '1' }
    })
    t.teardown(() => server.kill())
    const ready = server.start()
    ready.catch(() => undefined)
    await eventually(() => server.output.includes('waiting for another process that migrates'), 'it says so')
    // Twice as long as the role allows.
    await sleep(600)
    await admin.query('select pg_advisory_unlock(7236418203)')
    await ready
    await user(t, server, 'alice')
  })

  t.test(
    'A database that cannot hold every text is refused, with the command that makes a right one',
    async (t) => {
      const url = new URL(await postgres.newDatabase())
      const admin = new pg.Client({ connectionString: url.href })
      await admin.connect()
      const name = `${url.pathname.slice(1)}_latin1`
      await admin.query(`create database ${name} encoding 'LATIN1' locale 'C' template template0`)
      t.teardown(async () => {
        await admin.query(`drop database ${name} with (force)`)
        await admin.end()
      })
      url.pathname = `/${name}`
      t.match(
        await refusal(url.href),
        /secure-chat: The database .*_latin1 has the encoding LATIN1, .* createdb --encoding=UTF8 --template=template0\n/
      )
    }
  )
}
