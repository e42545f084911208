import t from 'tap'
import { devices } from './scenarios/devices.js'
import { pglite } from './scenarios/world.js'

t.test(
  'A second device is approved, reads the past and is rekeyed; after a reset the user starts again (PGlite)',
  async (t) => {
    await devices(t, await pglite.start(t))
  }
)
