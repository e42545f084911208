import t from 'tap'
import { devices } from './scenarios/devices.js'
import { pglite } from './scenarios/world.js'

t.test('a second device is approved, reads the past, is rekeyed; a reset begins anew (PGlite)', async (t) => {
  await devices(t, await pglite.start(t))
})
