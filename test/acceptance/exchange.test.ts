import t from 'tap'
import { exchange } from './scenarios/exchange.js'
import { pglite } from './scenarios/world.js'

t.test(
  'A receiver whose stream is cut 20 times gets each of 500 messages once, in order (PGlite)',
  async (t) => {
    const server = await pglite.start(t)
    await exchange(t, server, server)
  }
)
