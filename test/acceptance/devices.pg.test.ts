import t from 'tap'
import { startPostgres } from '../support/postgres.js'
import { devices } from './scenarios/devices.js'
import { postgres } from './scenarios/world.js'

const pg = await startPostgres(t)
if (pg !== undefined) {
  t.test(
    'A second device is approved, reads the past and is rekeyed; after a reset the user starts again',
    async (t) => {
      await devices(t, await postgres(pg).start(t))
    }
  )
}
