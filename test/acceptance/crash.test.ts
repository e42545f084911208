import t from 'tap'
import { crash } from './scenarios/crash.js'
import { pglite } from './scenarios/world.js'

t.test('A message that was answered 201 survives kill -9 and is delivered once (PGlite)', async (t) => {
  await crash(t, await pglite.start(t))
})
