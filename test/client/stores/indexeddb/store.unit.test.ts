import 'fake-indexeddb/auto'
import { once } from 'node:events'
import t, { type Test } from 'tap'
import { IndexedDbStore } from '../../../../src/client/stores/indexeddb/store.js'
import type { CryptoKey } from '../../../../src/crypto/web-crypto.js'
import { inProcessLocks } from '../../../support/in-process-locks.js'
import { keepsTheContract } from '../../../support/store-contract.js'
import { generateKeys } from '../../../support/store-keys.js'

const locks = inProcessLocks()
t.intercept(globalThis, 'navigator' as never, { value: { locks } })

async function openStore(
  t: Test,
  name: string = crypto.randomUUID(),
  patience = 5000
): Promise<IndexedDbStore> {
  const store = await IndexedDbStore.open({ name, patience })
  t.teardown(() => store.close())
  return store
}

keepsTheContract(t, (t) => openStore(t))

t.test(
  'Stored values are there when the page is loaded again, also a key that cannot be extracted',
  async (t) => {
    const name = crypto.randomUUID()
    const keys = await generateKeys(false)
    const first = await openStore(t, name)
    await first.update((tx) => tx.set('device', { keys: { ...keys }, bytes: Uint8Array.of(1) }))
    await first.close()
    const second = await openStore(t, name)
    const stored = await second.get<{ keys: { signing: CryptoKey }; bytes: Uint8Array }>('device')
    t.strictSame(stored!.bytes, Uint8Array.of(1))
    t.equal(stored!.keys.signing.extractable, false)
    const data = Uint8Array.of(1, 2, 3)
    const signature = await crypto.subtle.sign('Ed25519', stored!.keys.signing, data)
    t.ok(await crypto.subtle.verify('Ed25519', keys.verifying, signature, data))
  }
)

t.test('Tabs take turns, and each sees at once what another has committed', async (t) => {
  const name = crypto.randomUUID()
  const tabs = await Promise.all([1, 2, 3].map(() => openStore(t, name)))
  const count = (tab: IndexedDbStore) =>
    tab.update(async (tx) => {
      const number = ((await tx.get<number>('number')) ?? 0) + 1
      await crypto.subtle.digest('SHA-256', new Uint8Array(9))
      tx.set('number', number)
    })
  await Promise.all(tabs.flatMap((tab) => Array.from({ length: 10 }, () => count(tab))))
  for (const tab of tabs) t.equal(await tab.get('number'), 30)
})

t.test('A tab that waits too long for another gets an error', async (t) => {
  const name = crypto.randomUUID()
  const [one, two] = [await openStore(t, name), await openStore(t, name, 30)]
  let end = () => {}
  const held = one.update(() => new Promise<void>((resolve) => (end = resolve)))
  let done = false
  await t.rejects(
    two.update(() => {
      done = true
    }),
    { kind: 'store', code: 'store-busy', message: /another tab/ }
  )
  end()
  await held
  t.notOk(done)
  await two.update((tx) => tx.set('a', 1))
  t.equal(await one.get('a'), 1)
})

t.test('Stores of different names are independent of each other', async (t) => {
  const [one, two] = [await openStore(t), await openStore(t)]
  await one.update(async (tx) => {
    tx.set('a', 1)
    await two.update((tx) => tx.set('a', 2))
  })
  t.equal(await one.get('a'), 1)
  t.equal(await two.get('a'), 2)
})

t.test('A closed store, and one whose database was deleted, refuse work', async (t) => {
  const name = crypto.randomUUID()
  const [one, two] = [await openStore(t, name), await openStore(t, name)]
  await one.close()
  await t.rejects(one.get('a'), { kind: 'store', code: 'store-closed' })
  const { indexedDB } = globalThis as unknown as { indexedDB: { deleteDatabase(name: string): EventTarget } }
  await once(indexedDB.deleteDatabase(name), 'success')
  const lost = { kind: 'store', code: 'store-lost', hint: /^Load the page again/ }
  t.match(two.lost.reason, lost)
  for (let attempt = 1; attempt <= 2; attempt++) {
    await t.rejects(two.get('a'), lost)
    await t.rejects(
      two.update((tx) => tx.set('a', 1)),
      lost
    )
  }
})

t.test('Without locks or IndexedDB there is no store, rather than an unsafe one', async (t) => {
  t.intercept(globalThis, 'navigator' as never, { value: {} })
  await t.rejects(IndexedDbStore.open({ name: 'a' }), { kind: 'store', code: 'store-unlockable' })
  t.intercept(globalThis, 'navigator' as never, { value: { locks } })
  t.intercept(globalThis, 'indexedDB' as never, { value: undefined })
  await t.rejects(IndexedDbStore.open({ name: 'a' }), { kind: 'store', code: 'store-unreadable' })
})
