import t from 'tap'
import { attempts } from '../../../src/server/db/schema.js'
import { eventually } from '../../support/eventually.js'
import { anotherSession, user } from '../../support/people.js'
import { startPostgres } from '../../support/postgres.js'
import { startChat, type Chat } from '../../support/start-chat.js'

const postgres = await startPostgres(t)
if (postgres !== undefined) {
  t.test('All processes share one budget, and a restart does not renew it', async (t) => {
    const env = {
      DATABASE_URL: await postgres.newDatabase(),
      RATE_LIMIT: 'on',
      RATE_LIMIT_READ: '20',
      RATE_LIMIT_AUTH: '100'
    }
    const [one, two] = [await startChat(t, env), await startChat(t, env)]
    const here = await user(t, one, 'alice')
    const there = await anotherSession(t, here, two.url)
    const read = async (by: typeof here, times: number) => {
      const statuses: number[] = []
      for (let i = 0; i < times; i++) statuses.push((await by.raw('GET', '/v1/users/me')).status)
      return statuses
    }
    t.strictSame(await read(here, 12), Array(12).fill(200))
    const isStored = async () =>
      (await one.services.db.select().from(attempts)).some(({ count }) => count === 12)
    await eventually(isStored, 'the process stores its counts by itself')
    t.strictSame(await read(there, 2), [200, 200])
    await exchange(one, two)
    t.strictSame(await read(there, 7), [...Array(6).fill(200), 429], 'twenty in all')
    await exchange(one, two)

    const restarted = await startChat(t, env)
    there.base = restarted.url
    await read(there, 1)
    await exchange(restarted)
    t.strictSame(await read(there, 1), [429])
  })

  t.test('Wrong passwords are counted across all processes', async (t) => {
    const env = { DATABASE_URL: await postgres.newDatabase(), RATE_LIMIT: 'on' }
    const [one, two] = [await startChat(t, env), await startChat(t, env)]
    const alice = await user(t, one, 'alice')
    const guess = async (url: string) => {
      const body = JSON.stringify({ username: alice.username, password: 'a wrong password' })
      const headers = { 'content-type': 'application/json' }
      return (await fetch(`${url}/v1/auth/login`, { method: 'POST', headers, body })).status
    }
    for (let i = 0; i < 9; i++) t.equal(await guess(one.url), 401)
    await exchange(one, two)
    t.equal(await guess(two.url), 401)
    await exchange(one, two)
    t.equal(await guess(two.url), 429)
  })

  t.test(
    'All processes know the networks in which sessions of an owner began, after a restart too',
    async (t) => {
      const env = {
        DATABASE_URL: await postgres.newDatabase(),
        RATE_LIMIT: 'on',
        RATE_LIMIT_AUTH: '1000',
        TRUST_PROXY: '127.0.0.1'
      }
      const [one, two] = [await startChat(t, env), await startChat(t, env)]
      const alice = await user(t, one, 'alice')
      const login = async (url: string, address: string, password = alice.password) => {
        const body = JSON.stringify({ username: alice.username, password })
        const headers = { 'content-type': 'application/json', 'x-forwarded-for': address }
        return (await fetch(`${url}/v1/auth/login`, { method: 'POST', headers, body })).status
      }
      const home = '2001:db8::1'
      t.equal(await login(one.url, home), 200)
      for (let network = 0; network < 10; network++) {
        const tries = Array.from({ length: 10 }, () =>
          login(two.url, `203.0.113.${network}`, 'a wrong password')
        )
        t.strictSame(await Promise.all(tries), Array(10).fill(401))
      }
      await exchange(two)
      const restarted = await startChat(t, env)
      // A process reads the counts of those accounts at which somebody guesses.
      t.equal(await login(restarted.url, '203.0.113.98', 'a wrong password'), 401)
      await exchange(restarted)
      for (const { url } of [two, restarted]) {
        t.equal(await login(url, '203.0.113.99'), 429)
        t.equal(await login(url, '2001:db8::2'), 200, 'an address of the same /64')
      }
    }
  )
}

/** Each of these learns what those before it have counted, as it does within a second. */
async function exchange(...chats: readonly Chat[]): Promise<void> {
  for (const { services } of chats) await services.attempts.exchange()
}
