import t from 'tap'
import { useReadyKeys } from '../../support/ready-keys.js'
import { shortenWaits } from '../../support/short-waits.js'
import { honestWatch, play, populated, reconcile } from './honest.js'
import { checkRuns, limitMs } from './runs.js'
import { resolve, steps } from './steps.js'

t.setTimeout(limitMs * 3)
useReadyKeys()
shortenWaits(t)

t.test('With an honest server nothing is ever wrong, and in the end all can talk', (t) =>
  checkRuns(t, steps(), async (groups) => {
    const world = await populated()
    world.watches.push(honestWatch(world))
    try {
      await play(world, groups, (step) => resolve(world, step))
      await reconcile(world)
    } finally {
      await world.close()
    }
  })
)
