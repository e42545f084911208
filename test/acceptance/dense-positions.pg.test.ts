import t from 'tap'
import { startPostgres } from '../support/postgres.js'
import { densePositions } from './scenarios/dense-positions.js'
import { postgres } from './scenarios/world.js'

const seconds = process.env['FULL'] === '1' ? 20 : 4
const pg = await startPostgres(t)
if (pg !== undefined) {
  t.test(
    'With eight writers on two processes positions have no gap, and no reader misses or repeats an event',
    async (t) => {
      await densePositions(t, await postgres(pg).startMany(t, 2), seconds)
    }
  )
}
