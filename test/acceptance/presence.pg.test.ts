import t from 'tap'
import { startPostgres } from '../support/postgres.js'
import { comesAndGoes, dies, presenceWorld } from './scenarios/presence.js'
import { postgres } from './scenarios/world.js'

const pg = await startPostgres(t)
if (pg !== undefined) {
  t.test('Presence is right across two processes, and 15 s after one of them died', async (t) => {
    const [first, second] = await postgres(pg).startMany(t, 2)
    if (first === undefined || second === undefined) throw new Error('two servers are needed')
    const world = await presenceWorld(t, first, second)
    await comesAndGoes(t, world)
    await dies(t, world, second)
  })
}
