import t from 'tap'
import type { CountedLimits } from '../../../src/protocol/admin.js'
import { operatorOf } from '../../support/admin.js'
import { eventually } from '../../support/eventually.js'
import { expect } from '../../support/interop/http.js'
import { anotherSession, user } from '../../support/people.js'
import { startPostgres } from '../../support/postgres.js'
import { startChat } from '../../support/start-chat.js'

const postgres = await startPostgres(t)
if (postgres !== undefined) {
  const env = {
    DATABASE_URL: await postgres.newDatabase(),
    RATE_LIMIT: 'on',
    RATE_LIMIT_AUTH: '1000',
    EXPORTS_PER_DAY: '1',
    INVITES_PER_DAY: '2'
  }
  const [one, two] = [await startChat(t, env), await startChat(t, env)]
  const here = await user(t, one, 'alice')
  const there = await anotherSession(t, here, two.url)
  const limits = async (from: typeof one) => {
    const { items } = expect(await operatorOf(from)<CountedLimits>('GET', '/users/alice/limits'), 200).body
    return Object.fromEntries(items.map(({ name, used, max }) => [name, `${used} of ${max}`]))
  }
  const invite = async (by: typeof here) => (await by.raw('POST', '/v1/invites', { body: {} })).status
  const guess = async (url: string) => {
    const body = JSON.stringify({ username: 'alice', password: 'a wrong password' })
    const headers = { 'content-type': 'application/json' }
    return (await fetch(`${url}/v1/auth/login`, { method: 'POST', headers, body })).status
  }

  t.test('The operator sees what counts against a user in all processes', async (t) => {
    t.strictSame([await invite(here), await invite(there)], [201, 201])
    expect(await there.raw('GET', '/v1/users/me/export'), 200)
    for (let n = 0; n < 10; n++) t.equal(await guess(two.url), 401)
    t.equal(await guess(two.url), 429)
    await two.services.attempts.exchange()
    t.match(await limits(one), {
      invites: '2 of 2',
      exports: '1 of 1',
      'guesses-here': '10 of 10',
      'guesses-everywhere': '10 of 100'
    })
  })

  t.test('A reset by one process holds for all, and for one that starts later', async (t) => {
    const isFull = async () => {
      const status = await invite(here)
      await one.services.attempts.exchange()
      return status === 429
    }
    await eventually(isFull, 'this process learns what the other has counted')
    t.equal((await operatorOf(one)('DELETE', '/users/alice/limits')).status, 204)
    await eventually(async () => (await guess(two.url)) === 401, 'the other process reads of it')
    t.equal(await invite(here), 201)
    t.equal(await invite(there), 201)
    expect(await there.raw('GET', '/v1/users/me/export'), 200)
    t.equal(await guess((await startChat(t, env)).url), 401)
    const { items } = expect(
      await operatorOf(one)<{ items: { action: string }[] }>('GET', '/audit?subject=alice'),
      200
    ).body
    const acts = items.map(({ action }) => action)
    t.ok(acts.includes('user.limits') && acts.includes('user.reset-limits'))
  })
}
