import t from 'tap'
import { anotherSession, user } from '../../support/people.js'
import { startPostgres } from '../../support/postgres.js'
import { startServer } from '../../support/server-process.js'

/** The processes tell each other once a second. */
const toldEachOther = () => new Promise((resolve) => setTimeout(resolve, 1500))

const postgres = await startPostgres(t)
if (postgres !== undefined) {
  t.test('A budget is one for all processes, and a restart does not renew it', async (t) => {
    const options = {
      databaseUrl: await postgres.newDatabase(),
      env: { RATE_LIMIT: 'on', RATE_LIMIT_READ: '20', RATE_LIMIT_AUTH: '100' }
    }
    const [one, two] = await Promise.all([startServer(t, options), startServer(t, options)])
    const here = await user(t, one, 'alice')
    const there = await anotherSession(t, here, two.url)
    const read = async (by: typeof here, times: number) => {
      const statuses: number[] = []
      for (let i = 0; i < times; i++) statuses.push((await by.raw('GET', '/v1/users/me')).status)
      return statuses
    }
    t.strictSame(await read(here, 12), Array(12).fill(200))
    await toldEachOther()
    t.strictSame(await read(there, 2), [200, 200])
    await toldEachOther()
    t.strictSame(await read(there, 7), [...Array(6).fill(200), 429], 'twenty in all')
    await toldEachOther()
    await two.restart()
    await read(there, 1)
    await toldEachOther()
    t.strictSame(await read(there, 1), [429])
  })

  t.test('Wrong passwords are counted wherever they are tried', async (t) => {
    const options = { databaseUrl: await postgres.newDatabase(), env: { RATE_LIMIT: 'on' } }
    const [one, two] = await Promise.all([startServer(t, options), startServer(t, options)])
    const alice = await user(t, one, 'alice')
    const guess = async (url: string) => {
      const body = JSON.stringify({ username: alice.username, password: 'a wrong password' })
      const headers = { 'content-type': 'application/json' }
      return (await fetch(`${url}/v1/auth/login`, { method: 'POST', headers, body })).status
    }
    for (let i = 0; i < 9; i++) t.equal(await guess(one.url), 401)
    await toldEachOther()
    t.equal(await guess(two.url), 401)
    await toldEachOther()
    t.equal(await guess(two.url), 429)
  })
}
