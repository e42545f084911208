import { setTimeout as sleep } from 'node:timers/promises'
import t from 'tap'
import { emptyDataDir } from '../../support/empty-database.js'
import { call, newAgent } from '../../support/interop/http.js'
import { user } from '../../support/people.js'
import { startServer } from '../../support/server-process.js'

t.test('When iterations were raised, a user who logs in often at once stops nobody', async (t) => {
  const dataDir = await emptyDataDir(t)
  const start = (iterations: string) => startServer(t, { dataDir, env: { PASSWORD_ITERATIONS: iterations } })
  const before = await start('100000')
  const alice = await user(t, before, 'alice')
  await before.stop()
  const server = await start('200000')
  const agent = newAgent(20)
  t.teardown(() => agent.destroy())
  const body = { username: 'alice', password: alice.password }
  const logIn = () => call(server.url, agent, { method: 'POST', path: '/v1/auth/login', body })
  // Each of the first ones finds the hash of the old iterations, and stores its own or finds that another was faster.
  // Those that come meanwhile need the database and the line, too.
  const logins = Array.from({ length: 10 }, logIn)
  for (let n = 0; n < 30; n++) {
    await sleep(50)
    logins.push(logIn())
  }
  const answers = await Promise.all(logins)
  t.strictSame(new Set(answers.map(({ status }) => status)), new Set([200]))
})
