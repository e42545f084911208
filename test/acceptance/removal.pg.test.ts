import t from 'tap'
import { startPostgres } from '../support/postgres.js'
import { removedMember, revokedDevice } from './scenarios/removal.js'
import { postgres } from './scenarios/world.js'

const pg = await startPostgres(t)
if (pg !== undefined) {
  const server = await postgres(pg).start(t)

  t.test('A removed member is refused and notified, and the next session key leaves it out', async (t) => {
    await removedMember(t, server)
  })

  t.test('A revoked device is cut off within a second, and the next session key leaves it out', async (t) => {
    await revokedDevice(t, server)
  })
}
