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

t.test('A process knows what others have read, whatever it asks for', async (t) => {
  const store = new MeasuredStore()
  const [one, other] = [new SeenMessages(store), new SeenMessages(store)]
  const entryOf = (n: number) => ({
    n,
    id: randomUUID(),
    digest: 'ab'.repeat(32),
    position: 2 * n,
    departed: false
  })
  const record = async (seen: SeenMessages, ...entries: ReturnType<typeof entryOf>[]) =>
    store.update(async (tx) => {
      for (const entry of entries) await seen.record(tx, counter, entry)
    })
  await record(one, entryOf(1))
  t.equal(await other.highest(counter), 1)
  // On some pages, which are read one by one, then on more than are told.
  for (const pages of [2, 200]) {
    const first = (await one.highest(counter)) + 64
    const entries = Array.from({ length: pages }, (_, at) => entryOf(first + at * 64))
    const { n: last, id } = entries.at(-1)!
    await record(one, ...entries)
    t.equal(await other.highest(counter), last)
    t.equal(await other.positionOf(counter.conversationId, counter.signingKey, id), 2 * last)
    t.strictSame(await other.missing(counter, last, last + 1), [{ first: last + 1, last: last + 1 }])
    t.match(await other.check(counter, { ...entryOf(last - 1), position: 2 * last + 1 }), { late: true })
    await t.rejects(other.check(counter, { ...entryOf(last + 1), id }), { code: 'replayed-message' })
    await record(other, entryOf(last + 2))
    t.equal(await one.highest(counter), last + 2)
  }
})

t.test('A process that has written nothing in the end misses nothing that others write', async (t) => {
  const store = new MemoryStore()
  const [one, other] = [new SeenMessages(store), new SeenMessages(store)]
  const entry = { n: 70, id: randomUUID(), digest: 'ab'.repeat(32), position: 1, departed: false }
  const undone = store.update(async (tx) => {
    await one.record(tx, counter, { ...entry, n: 1 })
    throw new Error('the disk is full')
  })
  await t.rejects(undone, /full/)
  await store.update((tx) => other.record(tx, counter, entry))
  t.equal(await one.highest(counter), 70)
})
