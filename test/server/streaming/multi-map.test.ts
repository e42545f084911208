import t from 'tap'
import { MultiMap } from '../../../src/server/streaming/multi-map.js'

t.test('A key has as many values as were added and not deleted, in their order', async (t) => {
  const map = new MultiMap<string, number>()
  t.strictSame(map.get('a'), [])
  t.strictSame([map.add('a', 1), map.add('a', 2), map.add('b', 3), map.add('a', 4)], [1, 2, 1, 3])
  t.strictSame(map.get('a'), [1, 2, 4])
  t.equal(map.delete('a', 2), 2)
  t.strictSame(map.get('a'), [1, 4])
  t.equal(map.delete('a', 2), null, 'it was deleted before')
  t.equal(map.delete('c', 1), null, 'it was never there')
  t.strictSame([...map.values()], [[1, 4], [3]])
  t.equal(map.delete('b', 3), 0)
  t.strictSame([...map.keys()], ['a'], 'a key without values is gone')
})

t.test('Whoever walks through the values of a key is not disturbed by changes', async (t) => {
  const map = new MultiMap<string, number>()
  for (const value of [1, 2, 3]) map.add('a', value)
  const seen: number[] = []
  for (const value of map.get('a')) {
    seen.push(value)
    map.delete('a', value)
    map.add('a', value + 10)
  }
  t.strictSame(seen, [1, 2, 3])
  t.strictSame(map.get('a'), [11, 12, 13])
})
