import fc from 'fast-check'
import { equal } from 'node:assert/strict'
import t from 'tap'
import { RuleViolation } from '../../src/protocol/rule-violation.js'
import { ChatError } from '../../src/client/errors.js'
import { anyRequest } from './model/any-maker.js'
import { Choices, choices } from './model/choices.js'
import { honestRequest, kinds } from './model/honest-maker.js'
import { requireSound } from './model/soundness.js'
import { World } from './model/world.js'

const numRuns = process.env['FULL'] === '1' ? 2000 : 100
t.setTimeout(180_000)

function attempt(world: World, from: Choices): void {
  const one = anyRequest(world, from)
  try {
    world.take(one.request)
  } catch (error) {
    if (!(error instanceof RuleViolation || error instanceof ChatError)) throw error
    equal(world.isTakenByLeast(one.request), false, 'a client that knows less refuses it, too')
    return
  }
  requireSound(world, one)
  world.account(one.members, one.states)
}

t.test('Whatever anybody signs, no rule is broken, and nothing that was honest is refused later', (t) => {
  const property = fc.property(kinds, choices, (kind, numbers) => {
    const from = new Choices(numbers)
    const world = new World(kind)
    while (!from.done) {
      const action = from.below(6)
      if (action === 0) world.live(from)
      else if (action === 1) honestRequest(world, from)
      else attempt(world, from)
      world.requireAgreement()
    }
    world.requireSameForAll()
  })
  t.doesNotThrow(() => fc.assert(property, { numRuns }))
  t.end()
})
