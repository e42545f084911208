import t from 'tap'
import { startPostgres } from '../support/postgres.js'
import { crash } from './scenarios/crash.js'
import { postgres } from './scenarios/world.js'

const pg = await startPostgres(t)
if (pg !== undefined) {
  t.test('A message that was answered 201 survives kill -9 and is delivered once', async (t) => {
    await crash(t, await postgres(pg).start(t))
  })
}
