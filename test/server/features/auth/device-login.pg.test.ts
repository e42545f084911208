import t from 'tap'
import { anotherSession, user } from '../../../support/people.js'
import { startPostgres } from '../../../support/postgres.js'
import { startChat } from '../../../support/start-chat.js'
import { expect } from '../../../support/interop/http.js'

const postgres = await startPostgres(t)
if (postgres !== undefined)
  t.test('A nonce counts once over all processes, and a log-out on one keeps out on all', async (t) => {
    const env = { DATABASE_URL: await postgres.newDatabase(), PUBLIC_URL: 'https://chat.example.org' }
    const [one, two] = [await startChat(t, env), await startChat(t, env)]
    const here = await user(t, one, 'alice')
    const there = await anotherSession(t, here, two.url)
    const origin = 'https://chat.example.org'
    for (let round = 0; round < 5; round++) {
      const nonce = await here.challenge()
      const tries = [here, there, here, there].map((by) => by.signInWithKey(nonce, by.signed(nonce, origin)))
      const statuses = (await Promise.all(tries)).map(({ status }) => status)
      t.strictSame(statuses.sort(), [200, 401, 401, 401])
    }
    expect(await here.logout(), 204)
    const nonce = await there.challenge()
    t.equal((await there.signInWithKey(nonce, there.signed(nonce, origin))).status, 401)
  })
