import t from 'tap'
import { WindowCounter } from '../../../src/server/access/window-counter.js'

t.test('After too many attempts the next one waits until the window of the first has passed', async (t) => {
  let now = 1000
  const attempts = new WindowCounter({ max: 2, windowMs: 10_000, now: () => now })
  t.equal(attempts.wait('a'), 0)
  attempts.count('a')
  now += 4000
  t.equal(attempts.wait('a'), 0)
  attempts.count('a')
  t.equal(attempts.wait('a'), 6)
  t.equal(attempts.wait('b'), 0, 'others do not')
  now += 5999
  t.equal(attempts.wait('a'), 1)
  now += 1
  t.equal(attempts.wait('a'), 0)
  attempts.count('a')
  t.equal(attempts.wait('a'), 0, 'the next window begins at nothing')
})

t.test('An attempt that turned out well does not count, and all can be forgotten', async (t) => {
  const attempts = new WindowCounter({ max: 1, windowMs: 10_000, now: () => 0 })
  attempts.count('a')
  attempts.takeBack('a')
  t.equal(attempts.wait('a'), 0)
  attempts.takeBack('a')
  attempts.count('a')
  t.equal(attempts.wait('a'), 10, 'nothing is saved up')
  attempts.forget('a')
  t.equal(attempts.wait('a'), 0)
  attempts.takeBack('nobody')
  t.equal(attempts.wait('nobody'), 0)
})

t.test('Counts of other processes are added, and no count is exchanged twice', async (t) => {
  let now = 1000
  const [here, there] = [0, 1].map(() => new WindowCounter({ max: 5, windowMs: 10_000, now: () => now }))
  here!.share()
  there!.share()
  here!.count('a', 3)
  now += 1000
  t.strictSame(here!.takeChanges(), [{ key: 'a', count: 3, ttl: 9000 }])
  t.strictSame(here!.takeChanges(), [])
  there!.count('a')
  t.strictSame(there!.takeChanges(), [{ key: 'a', count: 1, ttl: 10_000 }])
  there!.count('a')
  there!.merge({ key: 'a', count: 4, ttl: 9000 })
  t.equal(there!.wait('a'), 9, 'four that all know of, and one that they will be told of')
  there!.forget('a')
  t.strictSame(there!.takeChanges(), [{ key: 'a', count: -4, ttl: 9000 }])
  now += 9000
  here!.count('b')
  now += 10_000
  t.strictSame(here!.takeChanges(), [], 'what has ended is nobody’s business')
})

t.test('Only the newest keys are remembered, up to the limit', async (t) => {
  const attempts = new WindowCounter({ max: 1, windowMs: 10_000, remembered: 3, now: () => 0 })
  for (const key of ['a', 'b', 'c', 'd']) attempts.count(key)
  t.strictSame(
    ['a', 'b', 'c', 'd'].map((key) => attempts.wait(key)),
    [0, 10, 10, 10]
  )
})
