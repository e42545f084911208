import { setTimeout as sleep } from 'node:timers/promises'
import t from 'tap'
import { eventually } from '../../support/eventually.js'
import { conversation, user } from '../../support/people.js'
import { startPostgres } from '../../support/postgres.js'
import { startServer } from '../../support/server-process.js'
import { expect } from '../../support/interop/http.js'

const postgres = await startPostgres(t)
if (postgres !== undefined) {
  const databaseUrl = await postgres.newDatabase()
  // Without polls only the notifier carries events between processes.
  const env = { POLL_INTERVAL: '60000' }
  const [here, there] = await Promise.all([
    startServer(t, { databaseUrl, env }),
    startServer(t, { databaseUrl, env })
  ])
  const alice = await user(t, here, 'alice', { connections: 8 })
  const bob = await user(t, here, 'bob')
  const id = await conversation(alice, [bob])
  bob.base = there.url
  const far = await bob.live()
  const near = await alice.live()
  const stored: string[] = []

  t.test(
    'When PostgreSQL is killed every request is answered with 503 in time, and all recovers when it is back',
    async (t) => {
      const told: Record<string, number> = {}
      const odd: string[] = []
      let slowest = 0
      let stopped = false
      const writer = async () => {
        while (!stopped) {
          const sealed = alice.seal(id, 'hello')
          for (;;) {
            const before = Date.now()
            const answer = await alice.post(id, sealed)
            slowest = Math.max(slowest, Date.now() - before)
            told[answer.status] = (told[answer.status] ?? 0) + 1
            if (answer.status < 300) break
            const { headers, body } = answer
            const right =
              answer.status === 503 &&
              (body as unknown as { type: string }).type === '/problems/database-unavailable' &&
              headers['content-type'] === 'application/problem+json; charset=utf-8' &&
              Number(headers['retry-after']) > 0
            if (!right) odd.push(`${answer.status} ${JSON.stringify(body)}`)
            await sleep(20)
          }
          stored.push(sealed.id)
        }
      }
      const load = Promise.all(Array.from({ length: 8 }, writer))
      await eventually(() => stored.length > 200, 'messages before')

      await postgres.kill()
      await eventually(() => (told[503] ?? 0) > 8, 'sends are refused')
      for (const [of, method, path, body] of [
        [alice, 'GET', '/v1/users/me'],
        [bob, 'GET', `/v1/conversations/${id}/messages`],
        [bob, 'GET', '/v1/events'],
        [bob, 'POST', '/v1/auth/login', { username: 'bob', password: bob.password }],
        [alice, 'POST', '/v1/auth/refresh', { refreshToken: alice.refreshToken }],
        [bob, 'GET', '/readyz']
      ] as const) {
        const answer = await of.raw(method, path, {
          headers: { accept: path === '/v1/events' ? 'text/event-stream' : 'application/json' },
          ...(body !== undefined && { body }),
          timeoutMs: 15_000
        })
        const expected = { status: 503, type: '/problems/database-unavailable' }
        t.match(
          answer,
          { status: 503, headers: { 'retry-after': /^\d+$/ }, body: expected },
          `${method} ${path}`
        )
      }
      for (const of of [alice, bob]) expect(await of.raw('GET', '/healthz'), 200)
      await sleep(1500)

      const before = stored.length
      await postgres.restart()
      const back = Date.now()
      await eventually(() => stored.length > before + 200, 'messages after')
      const healed = Date.now() - back
      stopped = true
      await load
      t.ok(healed < 15_000, `${healed} ms later all is well`)
      t.strictSame(odd, [])
      t.strictSame(
        Object.keys(told)
          .filter((status) => status !== '200')
          .sort(),
        ['201', '503']
      )
      t.ok(slowest < 15_000, `the slowest answer took ${slowest} ms`)
      for (const { base } of [alice, bob])
        await eventually(async () => (await fetch(`${base}/readyz`)).status === 200, 'readiness')
      t.ok(here.running && there.running)
    }
  )

  t.test('No stream has lost an event, on whichever process it is', async (t) => {
    for (const stream of [near, far]) {
      const messages = () => stream.durable().filter(({ event }) => event === 'message')
      await stream.until(() => messages().length >= stored.length, 'all messages')
      const ids = messages().map(({ data }) => String(data['id']))
      t.strictSame([...ids].sort(), [...stored].sort(), `each once, over ${stream.connections} connection(s)`)
      const positions = messages().map(({ data }) => Number(data['position']))
      t.ok(positions.every((position, i) => i === 0 || position > positions[i - 1]!))
    }
  })

  t.test('The notifier works again: an event reaches the other process at once', async (t) => {
    const took: number[] = []
    for (let i = 0; i < 5; i++) {
      const before = Date.now()
      const { body } = expect(await alice.send(id, 'hello'), 201)
      await far.waitFor(({ data }) => data['id'] === body.id, 'the message')
      took.push(Date.now() - before)
    }
    t.ok(took.sort((a, b) => a - b)[2]! < 1000, `${took.join(', ')} ms`)
  })

  t.test('A server stops in order even while its database is down', async (t) => {
    await postgres.kill()
    t.strictSame(await Promise.all([here.stop(), there.stop()]), [0, 0])
    for (const { output } of [here, there]) t.notMatch(output, /params|TypeError|unhandled/i)
  })
}
