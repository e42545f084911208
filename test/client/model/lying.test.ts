import fc from 'fast-check'
import t from 'tap'
import { useReadyKeys } from '../../support/ready-keys.js'
import { shortenWaits } from '../../support/short-waits.js'
import { acquainted, play } from './honest.js'
import { lieSteps, resolveLie, type LieStep } from './lie-steps.js'
import { Liar } from './liar.js'
import { Oracles } from './oracles.js'
import { checkRuns, limitMs } from './runs.js'
import { resolvePlot, wholePlots, type PlotStep } from './plots.js'
import { resolve, steps, type Step } from './steps.js'

t.setTimeout(limitMs * 3)
useReadyKeys()
shortenWaits(t)

/** More of what makes devices go, and of what is said afterwards. */
const acts = steps({
  read: 20,
  send: 20,
  write: 16,
  revoke: 8,
  remove: 6,
  role: 0,
  timer: 0,
  rename: 0,
  group: 2
})
type AnyStep = Step | LieStep | PlotStep
const anyStep: fc.Arbitrary<AnyStep> = fc.oneof(
  { weight: 4, arbitrary: acts },
  { weight: 1, arbitrary: lieSteps() }
)

t.test('Whatever the server says, nothing leaks, nobody is deceived, and no key is lost', (t) =>
  checkRuns<AnyStep>(
    t,
    anyStep,
    async (groups) => {
      const world = await acquainted()
      const liar = new Liar(world)
      const oracles = new Oracles(world, liar)
      const find = (step: AnyStep) => {
        if ('plot' in step) return resolvePlot(world, liar, step)
        return 'lie' in step ? resolveLie(world, liar, step) : resolve(world, step)
      }
      try {
        await oracles.begin()
        await play(world, groups, find, () => oracles.endRound())
        liar.stop()
        for (const device of world.devices)
          for (const id of world.conversations)
            await world.step(`${device.label} reads ${world.nameOf(id)} to its end`, async () => {
              await device.read()
              for await (const item of device.chat.history(id, { after: 0 })) world.see(device, item)
            })
      } finally {
        await world.close()
      }
    },
    wholePlots()
  )
)
