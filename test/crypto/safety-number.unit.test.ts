import t from 'tap'
import { safetyNumber } from '../../src/crypto/safety-number.js'
import { refusal } from '../support/refusal.js'
import { vectors } from '../support/vectors.js'

const { cases, badRoots } = vectors<{
  cases: { roots: [string, string]; safetyNumber: string }[]
  badRoots: string[]
}>('safety-numbers')

t.test('Both sides compute the same safety number, and it depends on both roots', async (t) => {
  for (const { roots, safetyNumber: expected } of cases) {
    t.match(expected, /^(\d{5} ){11}\d{5}$/)
    t.equal(await safetyNumber(roots[0], roots[1]), expected)
    t.equal(await safetyNumber(roots[1], roots[0]), expected)
  }
  t.equal(new Set(cases.map((one) => one.safetyNumber)).size, cases.length)
})

t.test('A text that is not a fingerprint has no safety number', async (t) => {
  const [good] = cases[0]!.roots
  for (const root of badRoots) {
    t.equal(await refusal(safetyNumber(root, good)), 'bad-encoding', root)
    t.equal(await refusal(safetyNumber(good, root)), 'bad-encoding', root)
  }
})
