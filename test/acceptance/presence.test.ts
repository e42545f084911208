import t from 'tap'
import { comesAndGoes, presenceWorld } from './scenarios/presence.js'
import { pglite } from './scenarios/world.js'

t.test('Users who share a conversation see each other online while a stream is open (PGlite)', async (t) => {
  const server = await pglite.start(t)
  await comesAndGoes(t, await presenceWorld(t, server, server))
})
