import t from 'tap'
import { comesAndGoes, presenceWorld } from './scenarios/presence.js'
import { pglite } from './scenarios/world.js'

t.test('a user is online while a stream is open, for those who share a conversation (PGlite)', async (t) => {
  const server = await pglite.start(t)
  await comesAndGoes(t, await presenceWorld(t, server, server))
})
