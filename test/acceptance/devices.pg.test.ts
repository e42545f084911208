import t from 'tap'
import { startPostgres } from '../support/postgres.js'
import { devices } from './scenarios/devices.js'
import { postgres } from './scenarios/world.js'

const pg = await startPostgres(t)
if (pg !== undefined) {
  t.test('a second device is approved, reads the past, is rekeyed; a reset begins anew', async (t) => {
    await devices(t, await postgres(pg).start(t))
  })
}
