import t from 'tap'
import { conversation, user } from '../support/people.js'
import { startPostgres } from '../support/postgres.js'
import { startServer } from '../support/server-process.js'
import { expect, problem } from '../support/interop/http.js'

const HOURS = 3

/** Node.js with its wall clock set wrong. */
const wrongBy = (hours: number) => [
  '--import',
  `data:text/javascript,${encodeURIComponent(`
    const { now } = Date
    const wrong = () => now() + ${hours * 3_600_000}
    globalThis.Date = class extends Date {
      static now = wrong
      constructor(...args) { super(...(args.length === 0 ? [wrong()] : args)) }
    }`)}`
]

const postgres = await startPostgres(t)
if (postgres !== undefined) {
  const databaseUrl = await postgres.newDatabase()
  const right = await startServer(t, { databaseUrl })

  for (const hours of [HOURS, -HOURS])
    t.test(`A session continues on a server whose clock is wrong by ${hours} hours, and back`, async (t) => {
      const wrong = await startServer(t, { databaseUrl, nodeOptions: wrongBy(hours) })
      const { time } = (await (await fetch(`${wrong.url}/v1/server`)).json()) as { time: string }
      t.ok(Math.abs(Date.parse(time) - Date.now() - hours * 3_600_000) < 10_000)

      const alice = await user(t, right, `alice${Math.abs(hours - 1)}`)
      const id = await conversation(alice, [])
      alice.base = wrong.url
      const answer = await alice.raw('GET', '/v1/users/me')
      if (hours > 0) t.equal(problem(answer), 'token-expired', 'which a client mends by itself')
      else t.equal(answer.status, 200)
      expect(await alice.refresh(), 200)
      expect(await alice.post(id, alice.seal(id, 'there')), 201)
      const stream = await alice.live({ after: '0' })
      await stream.waitFor(({ event }) => event === 'message')
      alice.base = right.url
      expect(await alice.refresh(), 200)
      expect(await alice.post(id, alice.seal(id, 'back')), 201)
      await stream.until(() => stream.received.filter(({ event }) => event === 'message').length === 2)
    })
}
