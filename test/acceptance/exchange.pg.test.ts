import t from 'tap'
import { startPostgres } from '../support/postgres.js'
import { exchange } from './scenarios/exchange.js'
import { postgres } from './scenarios/world.js'

const pg = await startPostgres(t)
if (pg !== undefined) {
  const store = postgres(pg)
  t.test('A receiver whose stream is cut 20 times gets each of 500 messages once, in order', async (t) => {
    const server = await store.start(t)
    await exchange(t, server, server)
  })

  t.test('A receiver on another process than the sender does so too', async (t) => {
    const [first, second] = await store.startMany(t, 2)
    if (first === undefined || second === undefined) throw new Error('two servers are needed')
    await exchange(t, first, second)
  })
}
