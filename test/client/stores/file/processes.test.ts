import { join } from 'node:path'
import t, { type Test } from 'tap'
import { FileStore } from '../../../../src/client/stores/file/store.js'
import { startStoreProcess } from '../../../support/store-process.js'

const newFolder = (t: Test) => join(t.testdir(), 'store')

async function openStore(t: Test, folder: string, patience?: number): Promise<FileStore> {
  const store = await FileStore.open({ folder, ...(patience !== undefined && { patience }) })
  t.teardown(() => store.close())
  return store
}

t.test('Processes that count in one store at the same time lose no number, and use none twice', async (t) => {
  const folder = newFolder(t)
  const processes = Array.from({ length: 4 }, () => startStoreProcess(folder, 'count', 60))
  const lines = (await Promise.all(processes.map((process) => process.rest()))).map((line) =>
    line.map(Number)
  )
  t.strictSame(
    lines.flat().sort((a, b) => a - b),
    Array.from({ length: 240 }, (_, n) => n + 1)
  )
  const store = await openStore(t, folder)
  t.equal(await store.get('number'), 240)
  t.match(await store.get('copy'), { number: 240 })
})

t.test(
  'A reader sees at once what another process has committed, when the file is replaced too',
  async (t) => {
    const folder = newFolder(t)
    const store = await openStore(t, folder)
    const other = startStoreProcess(folder, 'count', 120)
    for (let line = await other.line(); line !== undefined; line = await other.line()) {
      const number = (await store.get<number>('number'))!
      t.ok(number >= Number(line), `${number} after ${line}`)
      const [[, copy]] = (await store.list<{ number: number }>('copy')) as [[string, { number: number }]]
      t.ok(copy.number >= number)
    }
    t.equal(await store.get('number'), 120)
  }
)

t.test('Stores of one process take turns as well', async (t) => {
  const folder = newFolder(t)
  const stores = await Promise.all([1, 2, 3].map(() => openStore(t, folder)))
  const count = (store: FileStore) =>
    store.update(async (tx) => tx.set('number', ((await tx.get<number>('number')) ?? 0) + 1))
  await Promise.all(stores.flatMap((store) => Array.from({ length: 20 }, () => count(store))))
  for (const store of stores) t.equal(await store.get('number'), 60)
})

t.test('A process that dies while it holds a store does not keep others waiting', async (t) => {
  const folder = newFolder(t)
  const store = await openStore(t, folder)
  const holder = startStoreProcess(folder, 'hold', 60_000)
  t.equal(await holder.line(), 'holding')
  const waiting = store.update((tx) => tx.set('a', 1))
  await holder.kill()
  await waiting
  t.equal(await store.get('a'), 1)
})

t.test('The error after waiting too long for a store names the process that holds it', async (t) => {
  const folder = newFolder(t)
  const store = await openStore(t, folder, 100)
  const holder = startStoreProcess(folder, 'hold', 60_000)
  t.equal(await holder.line(), 'holding')
  const busy = { kind: 'store', code: 'store-busy', message: /held by another process/ }
  let done = false
  const update = () =>
    store.update(() => {
      done = true
    })
  await t.rejects(update(), busy)
  // It answers nothing any more, but it is alive, and may go on at any time.
  holder.signal('SIGSTOP')
  await t.rejects(update(), busy)
  t.notOk(done)
  t.strictSame(await store.list(''), [], 'reading needs no turn')
  await holder.kill()
  await update()
  t.ok(done)
})

t.test('An update within an update is refused in the end', async (t) => {
  const store = await openStore(t, newFolder(t), 100)
  await t.rejects(
    store.update(() => store.update(() => {})),
    { kind: 'store', code: 'store-busy', hint: /may not begin another/ }
  )
  await store.update((tx) => tx.set('a', 1))
})
