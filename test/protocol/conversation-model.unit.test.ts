import fc from 'fast-check'
import t from 'tap'
import { Choices, choices } from './model/choices.js'
import { honestRequest, kinds } from './model/honest-maker.js'
import { World } from './model/world.js'

const numRuns = process.env['FULL'] === '1' ? 2000 : 100
t.setTimeout(180_000)

t.test('No honest request is refused, whatever happens to devices and roots', (t) => {
  const property = fc.property(kinds, choices, (kind, numbers) => {
    const from = new Choices(numbers)
    const world = new World(kind)
    while (!from.done) {
      if (from.rarely(2)) honestRequest(world, from)
      else world.live(from)
      world.requireAgreement()
    }
    world.requireSameForAll()
  })
  t.doesNotThrow(() => fc.assert(property, { numRuns }))
  t.end()
})
