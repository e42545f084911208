import { EventEmitter, once } from 'node:events'
import { setTimeout as sleep } from 'node:timers/promises'
import t, { type Test } from 'tap'
import { batchLoader } from '../../../src/server/db/batch-loader.js'

t.test(
  'One query answers all questions that come together, or while another query is under way',
  async (t) => {
    const asked: number[][] = []
    const underWay = new EventEmitter()
    const square = batchLoader(async (numbers: number[]) => {
      asked.push(numbers)
      underWay.emit('asked')
      if (asked.length === 1) await once(underWay, 'answered')
      return numbers.map((number) => number ** 2)
    }, 100)
    const isAsked = once(underWay, 'asked')
    const first = [square(1), square(2)]
    await isAsked
    const rest = [square(3), square(4), square(3)]
    underWay.emit('answered')
    t.strictSame(await Promise.all([...first, ...rest]), [1, 4, 9, 16, 9], 'each gets its own answer')
    t.strictSame(asked, [
      [1, 2],
      [3, 4, 3]
    ])
    t.equal(await square(5), 25)
  }
)

/** The keys of each query, if `meanwhile` are asked for during the first one, and `later` a moment after it. */
async function queries(t: Test, meanwhile: number[], later: number[]): Promise<number[][]> {
  const asked: number[][] = []
  const underWay = new EventEmitter()
  const same = batchLoader(async (numbers: number[]) => {
    asked.push(numbers)
    underWay.emit('asked')
    if (asked.length === 1) await once(underWay, 'answered')
    return numbers
  }, 100)
  const isAsked = once(underWay, 'asked')
  const first = same(0)
  await isAsked
  const answers = meanwhile.map(same)
  underWay.emit('answered')
  await first
  await sleep(1)
  t.strictSame(await Promise.all([...answers, ...later.map(same)]), [...meanwhile, ...later])
  return asked.slice(1)
}

t.test('In a storm the next query waits a moment for more', async (t) => {
  t.strictSame(await queries(t, [1, 2], [3, 4]), [[1, 2, 3, 4]])
})

t.test('Without a storm it waits for nothing: one key, however often it is asked for, is none', async (t) => {
  t.strictSame(await queries(t, [1], [2]), [[1], [2]])
  t.strictSame(await queries(t, [1, 1, 1], [2]), [[1, 1, 1], [2]])
})

t.test('One query takes a bounded number of questions', async (t) => {
  const sizes: number[] = []
  const same = batchLoader(async (numbers: number[]) => {
    sizes.push(numbers.length)
    return numbers
  }, 4)
  const numbers = Array.from({ length: 10 }, (_, n) => n)
  t.strictSame(await Promise.all(numbers.map(same)), numbers)
  t.strictSame(sizes, [4, 4, 2])
})

t.test('A query that fails rejects all its callers, and no later ones', async (t) => {
  let broken = true
  const same = batchLoader(async (numbers: number[]) => {
    if (broken) throw new Error('the database is away')
    return numbers
  }, 4)
  const outcomes = await Promise.allSettled([same(1), same(2)])
  t.strictSame(
    outcomes.map(({ status }) => status),
    ['rejected', 'rejected']
  )
  broken = false
  t.equal(await same(3), 3)
})
