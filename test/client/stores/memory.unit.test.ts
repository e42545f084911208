import t from 'tap'
import { MemoryStore } from '../../../src/client/stores/memory.js'
import { Mutex } from '../../../src/client/stores/mutex.js'
import { keepsTheContract } from '../../support/store-contract.js'

keepsTheContract(t, async () => new MemoryStore())

t.test('A memory store that was closed can be handed on', async (t) => {
  const store = new MemoryStore()
  await store.update((tx) => tx.set('a', 1))
  await store.close()
  t.equal(await store.get('a'), 1)
})

t.test('An update that waits longer than the limit fails, and its work never runs', async (t) => {
  const turns = new Mutex()
  let end: () => void
  const first = turns.runExclusive(() => new Promise<void>((resolve) => (end = resolve)))
  let done = false
  await t.rejects(
    turns.runExclusive(async () => {
      done = true
    }, 20),
    { kind: 'store', code: 'store-busy' }
  )
  end!()
  await first
  t.equal(await turns.runExclusive(async () => 'next'), 'next')
  t.notOk(done)
})
