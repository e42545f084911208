import t from 'tap'
import { removedMember, revokedDevice } from './scenarios/removal.js'
import { pglite } from './scenarios/world.js'

const server = await pglite.start(t)

t.test('a removed member is refused, told, and left out of the next session key (PGlite)', async (t) => {
  await removedMember(t, server)
})

t.test(
  'a revoked device is cut off within a second and left out of the next session key (PGlite)',
  async (t) => {
    await revokedDevice(t, server)
  }
)
