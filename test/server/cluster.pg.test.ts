import t, { type Test } from 'tap'
import { eventually } from '../support/eventually.js'
import { anotherSession, conversation, user } from '../support/people.js'
import { startPostgres } from '../support/postgres.js'
import { childrenOf, isAlive } from '../support/children.js'
import { READY, startServer, type ServerProcess } from '../support/server-process.js'
import { expect } from '../support/interop/http.js'

const postgres = await startPostgres(t)
if (postgres !== undefined) {
  const start = async (t: Test, env: Record<string, string> = {}): Promise<ServerProcess> => {
    const options = { databaseUrl: await postgres.newDatabase(), env: { WORKERS: '2', ...env } }
    const server = await startServer(t, options)
    await eventually(() => server.output.includes(READY), 'both workers listen')
    return server
  }

  t.test('Messages that one worker takes reach the streams of both, once and in order', async (t) => {
    const server = await start(t)
    t.match(server.output, `http://127.0.0.1:${server.port}   (PostgreSQL, 2 processes)`)
    const alice = await user(t, server, 'alice')
    const id = await conversation(alice, [])
    // New connections go to one worker and the other by turns.
    const sessions = [
      alice,
      ...(await Promise.all(Array.from({ length: 3 }, () => anotherSession(t, alice))))
    ]
    const streams = await Promise.all(sessions.map((session) => session.live()))
    const texts = Array.from({ length: 40 }, (_, i) => `m${i}`)
    const positions = await Promise.all(
      texts.map(async (text, i) => {
        const by = sessions[i % sessions.length]!
        return expect(await by.post(id, alice.seal(id, text)), 201).body.position
      })
    )
    for (const stream of streams) {
      const heard = () => stream.received.filter(({ event }) => event === 'message')
      await stream.until(() => heard().length >= texts.length)
      t.strictSame(
        heard().map(({ data }) => data['position']),
        [...positions].sort((a, b) => a - b)
      )
    }
    t.equal(await server.stop(), 0, 'SIGTERM ends all of them, in order')
  })

  t.test('A worker that dies is replaced, and its streams continue without a gap', async (t) => {
    const server = await start(t)
    const alice = await user(t, server, 'alice')
    const id = await conversation(alice, [])
    const sessions = await Promise.all(Array.from({ length: 3 }, () => anotherSession(t, alice)))
    const streams = await Promise.all([alice, ...sessions].map((session) => session.live()))
    const [first] = childrenOf(server.pid!)
    for (let i = 0; i < 20; i++) {
      const { status } = await alice.sendSurely(id, alice.seal(id, `m${i}`))
      t.ok(status === 201 || status === 200)
      if (i === 9) process.kill(first!, 'SIGKILL')
    }
    for (const stream of streams) {
      const heard = () => stream.received.filter(({ event }) => event === 'message')
      await stream.until(() => heard().length >= 20)
      t.equal(heard().length, 20)
    }
    await eventually(() => childrenOf(server.pid!).length === 2, 'there are two again')
    t.notOk(childrenOf(server.pid!).includes(first!))
    t.match(server.output, /a worker died; starting another/)
  })

  t.test('When the supervisor is killed, so are the workers: the address is free again', async (t) => {
    const server = await start(t)
    const workers = childrenOf(server.pid!)
    t.equal(workers.length, 2)
    await server.kill()
    await eventually(() => !workers.some(isAlive), 'the workers are gone')
    await server.start()
    t.equal((await fetch(`${server.url}/readyz`)).status, 200)
  })

  t.test('Workers that cannot start end the server, which says why once', async (t) => {
    const env = { WORKERS: '2', DATABASE_START_TIMEOUT: '1' }
    const second = startServer(t, { databaseUrl: 'postgres://127.0.0.1:9/none', env })
    const failure = await second.then(
      () => '',
      (error: unknown) => (error as Error).message
    )
    t.match(failure, /^the server ended \(1\):\nsecure-chat: The database is not ready after 1 s: [^\n]*\n$/)
  })
}
