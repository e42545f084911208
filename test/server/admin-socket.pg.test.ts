import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { eq } from 'drizzle-orm'
import t from 'tap'
import { sessions } from '../../src/server/db/schema.js'
import { operator, socketIn } from '../support/admin.js'
import { eventually } from '../support/eventually.js'
import { problem } from '../support/interop/http.js'
import { anotherSession, user } from '../support/people.js'
import { startPostgres } from '../support/postgres.js'
import { startChat } from '../support/start-chat.js'
import { READY, startServer } from '../support/server-process.js'
import { childrenOf } from '../support/children.js'

const postgres = await startPostgres(t)
if (postgres !== undefined) {
  t.test('One of several processes serves the socket; when it dies, another one does', async (t) => {
    const dataDir = await mkdtemp(join(tmpdir(), 'secure-chat-data-'))
    t.teardown(() => rm(dataDir, { recursive: true, force: true }))
    const options = { databaseUrl: await postgres.newDatabase(), dataDir, env: { WORKERS: '2' } }
    const server = await startServer(t, options)
    await eventually(() => server.output.includes(READY), 'both workers listen')
    const works = () =>
      operator(socketIn(dataDir))('GET', '/stats').then(
        ({ status }) => status === 200,
        () => false
      )
    t.ok(await works())
    for (const pid of childrenOf(server.pid!)) process.kill(pid, 'SIGKILL')
    await eventually(works, 'a new worker serves the socket')
  })

  t.test('A suspension by one process ends the sessions and streams of all within a second', async (t) => {
    const env = { DATABASE_URL: await postgres.newDatabase() }
    const [one, two] = [await startChat(t, env), await startChat(t, env)]
    const here = await user(t, one, 'alice')
    const there = await anotherSession(t, here, two.url)
    const stream = await there.live()
    const call = operator(socketIn(one.services.config.database.dataDir))
    await call('PUT', '/users/alice/suspension')
    await stream.over()
    t.equal(problem(await there.raw('GET', '/v1/users/me')), 'session-ended')
    t.equal(problem(await there.login()), 'suspended')
    const acts = await Promise.all(
      Array.from({ length: 10 }, (_, n) => {
        const by = operator(socketIn((n % 2 === 0 ? one : two).services.config.database.dataDir))
        return by('GET', '/users/alice')
      })
    )
    t.ok(acts.every(({ status }) => status === 200))
    const { body } = await call<{ verified: number; fault: null }>('GET', '/audit/verification')
    t.match(body, { verified: 11, fault: null })
  })

  t.test('Log-ins on two processes at the moment of a suspension leave no session', async (t) => {
    const env = { DATABASE_URL: await postgres.newDatabase() }
    const [one, two] = [await startChat(t, env), await startChat(t, env)]
    const here = await user(t, one, 'bob')
    const there = await anotherSession(t, here, two.url)
    const call = operator(socketIn(one.services.config.database.dataDir))
    const logIns = Array.from({ length: 12 }, (_, n) => (n % 2 === 0 ? here : there).login())
    await Promise.all([...logIns, call('PUT', '/users/bob/suspension')])
    const left = await one.services.db.select().from(sessions).where(eq(sessions.userId, here.userId))
    t.strictSame(left, [])
  })
}
