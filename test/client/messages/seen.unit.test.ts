import { randomBytes, randomUUID } from 'node:crypto'
import t from 'tap'
import { SeenMessages } from '../../../src/client/messages/seen.js'
import { MemoryStore } from '../../../src/client/stores/memory.js'
import { quietestBlock } from '../../support/longest-block.js'

const counter = { conversationId: randomUUID(), key: 'ab'.repeat(32), signingKey: 'cd'.repeat(32) }
const other = { ...counter, signingKey: 'ef'.repeat(32) }

/** The longest list that was read at once. */
class MeasuredStore extends MemoryStore {
  longest = 0

  override async list<T>(prefix: string): Promise<[string, T][]> {
    const found = await super.list(prefix)
    this.longest = Math.max(this.longest, found.length)
    return found as [string, T][]
  }
}

t.test('Each of many messages is found by its id after a restart, under its own sender', async (t) => {
  const store = new MeasuredStore()
  const seen = new SeenMessages(store)
  const prefix = randomUUID().slice(0, 24)
  const ids = Array.from({ length: 20_000 }, (_, at) => prefix + String(at).padStart(12, '0'))
  await store.update(async (tx) => {
    for (const [at, id] of ids.entries()) {
      const entry = { n: at + 1, id, digest: 'ab'.repeat(32), position: at + 1, departed: false }
      await seen.record(tx, counter, entry)
    }
    const entry = { n: 1, id: ids[7]!, digest: 'ab'.repeat(32), position: 90_000, departed: false }
    await seen.record(tx, other, entry)
  })
  for (const index of [seen, new SeenMessages(store)]) {
    const at = (id: string, { signingKey } = counter) =>
      index.positionOf(counter.conversationId, signingKey, id)
    let wrong = 0
    for (const [place, id] of ids.entries()) if ((await at(id)) !== place + 1) wrong++
    t.equal(wrong, 0)
    t.equal(await at(ids[7]!, other), 90_000)
    t.equal(await at(ids[8]!, other), undefined)
    t.equal(await at(randomUUID()), undefined)
  }
  t.ok(store.longest <= 256, 'the index is read in parts')
})

t.test('As many messages as a session key takes are read in turns, without an object for each', async (t) => {
  const store = new MemoryStore()
  const { conversationId, key, signingKey } = counter
  await store.update((tx) => {
    for (let page = 0; page < 2 ** 20 / 64; page++)
      tx.set(`seen/${conversationId}/${key}/${signingKey}/${page}`, new Uint8Array(randomBytes(64 * 39)))
  })
  const { longest } = await quietestBlock(() => new SeenMessages(store).highest(counter))
  t.ok(longest < 50, `${longest} ms`)
})
