import t from 'tap'
import { removedMember, revokedDevice } from './scenarios/removal.js'
import { pglite } from './scenarios/world.js'

const server = await pglite.start(t)

t.test(
  'A removed member is refused and notified, and the next session key leaves it out (PGlite)',
  async (t) => {
    await removedMember(t, server)
  }
)

t.test(
  'A revoked device is cut off within a second, and the next session key leaves it out (PGlite)',
  async (t) => {
    await revokedDevice(t, server)
  }
)
