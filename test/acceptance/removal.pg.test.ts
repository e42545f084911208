import t from 'tap'
import { startPostgres } from '../support/postgres.js'
import { removedMember, revokedDevice } from './scenarios/removal.js'
import { postgres } from './scenarios/world.js'

const pg = await startPostgres(t)
if (pg !== undefined) {
  const server = await postgres(pg).start(t)

  t.test('a removed member is refused, told, and left out of the next session key', async (t) => {
    await removedMember(t, server)
  })

  t.test('a revoked device is cut off within a second and left out of the next session key', async (t) => {
    await revokedDevice(t, server)
  })
}
