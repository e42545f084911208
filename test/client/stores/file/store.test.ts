import { chmodSync, mkdirSync, rmSync, statSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import t, { type Test } from 'tap'
import { FileStore } from '../../../../src/client/stores/file/store.js'
import type { CryptoKey } from '../../../../src/crypto/web-crypto.js'
import { generateKeys } from '../../../support/store-keys.js'
import { keepsTheContract } from '../../../support/store-contract.js'

const newFolder = (t: Test) => join(t.testdir(), 'profiles', 'alice')

const mode = (path: string) => (statSync(path).mode & 0o777).toString(8)

keepsTheContract(t, async (t) => {
  const store = await FileStore.open({ folder: newFolder(t) })
  t.teardown(() => store.close())
  return store
})

t.test('Stored values are there after a restart, keys included', async (t) => {
  const folder = newFolder(t)
  const keys = await generateKeys(true)
  const first = await FileStore.open({ folder })
  await first.update((tx) => {
    tx.set('keys', { ...keys })
    tx.set('gone', 1)
  })
  await first.update((tx) => tx.delete('gone'))
  await first.close()
  const second = await FileStore.open({ folder })
  const [[name, stored] = [], ...others] = await second.list<{ secret: CryptoKey }>('')
  await second.close()
  t.equal(name, 'keys')
  t.strictSame(others, [])
  t.strictSame(
    await crypto.subtle.exportKey('raw', stored!.secret),
    await crypto.subtle.exportKey('raw', keys.secret)
  )
})

t.test('Only the owner can read the file and enter the folder', async (t) => {
  const folder = newFolder(t)
  const store = await FileStore.open({ folder })
  t.equal(mode(join(folder, '..')), '700')
  t.equal(mode(folder), '700')
  t.equal(mode(join(folder, 'lock')), '700')
  t.equal(mode(join(folder, 'journal')), '600')
  await store.changePassphrase('correct horse')
  t.equal(mode(join(folder, 'journal')), '600')
  await store.close()
})

t.test('A store that others could read is refused, not repaired silently', async (t) => {
  const folder = newFolder(t)
  mkdirSync(folder, { recursive: true, mode: 0o755 })
  chmodSync(folder, 0o750)
  const exposed = { kind: 'store', code: 'store-exposed', hint: /chmod -R go=/ }
  await t.rejects(FileStore.open({ folder }), exposed)
  chmodSync(folder, 0o700)
  await (await FileStore.open({ folder })).close()
  chmodSync(join(folder, 'journal'), 0o640)
  await t.rejects(FileStore.open({ folder }), exposed)
  chmodSync(join(folder, 'journal'), 0o600)
  await (await FileStore.open({ folder })).close()
})

t.test('A key that cannot be extracted is refused', async (t) => {
  const store = await FileStore.open({ folder: newFolder(t) })
  const { secret } = await generateKeys(false)
  await t.rejects(
    store.update((tx) => tx.set('a', { secret })),
    { kind: 'usage', code: 'unstorable-value' }
  )
  t.strictSame(await store.list(''), [])
  await store.close()
})

t.test('The file is rewritten when most of it is outdated', async (t) => {
  const folder = newFolder(t)
  const store = await FileStore.open({ folder })
  let largest = 0
  for (let n = 0; n < 40; n++) {
    await store.update((tx) => tx.set('a', String(n).repeat(10_000)))
    largest = Math.max(largest, statSync(join(folder, 'journal')).size)
  }
  t.ok(largest > 60_000 && largest < 160_000, `${largest} bytes at most`)
  t.equal(await store.get('a'), '39'.repeat(10_000))
  await store.close()
})

t.test('One update has a bound, and a whole store has none', async (t) => {
  const folder = newFolder(t)
  const store = await FileStore.open({ folder })
  const large = 'x'.repeat(0x1100000)
  const tooLarge = { kind: 'store', code: 'update-too-large' }
  await t.rejects(
    store.update((tx) => ['a', 'b', 'c', 'd'].forEach((name) => tx.set(name, large))),
    tooLarge
  )
  t.strictSame(await store.list(''), [])
  for (const name of ['key/a', 'key/b', 'user/c', 'user/d']) await store.update((tx) => tx.set(name, large))
  await store.update((tx) => tx.delete('key/a'))
  await store.close()
  const again = await FileStore.open({ folder })
  t.strictSame(
    (await again.list<string>('')).map(([name, { length }]) => [name, length]),
    ['key/b', 'user/c', 'user/d'].map((name) => [name, large.length])
  )
  await again.close()
})

t.test('A closed store finishes earlier updates, and refuses later ones', async (t) => {
  const folder = newFolder(t)
  const store = await FileStore.open({ folder })
  const updates = [1, 2, 3].map((n) => store.update((tx) => tx.set(`${n}`, n)))
  await store.close()
  await Promise.all(updates)
  const closed = { kind: 'store', code: 'store-closed' }
  await t.rejects(store.get('1'), closed)
  await t.rejects(store.list(''), closed)
  await t.rejects(
    store.update(() => {}),
    closed
  )
  const next = await FileStore.open({ folder })
  t.equal((await next.list('')).length, 3)
  await next.close()
})

t.test(
  'A missing file, a file that is no store and an unreachable one are distinguished from an empty store',
  async (t) => {
    const folder = newFolder(t)
    const store = await FileStore.open({ folder })
    const journal = join(folder, 'journal')
    await t.rejects(FileStore.open({ folder: join(journal, 'below') }), {
      kind: 'store',
      code: 'store-unreadable'
    })
    rmSync(journal)
    await t.rejects(store.get('a'), { kind: 'store', code: 'store-unreadable', message: /journal/ })
    await t.rejects(
      store.update((tx) => tx.set('a', 1)),
      { kind: 'store', code: 'store-unreadable' }
    )
    await store.close()
    for (const [text, code] of [
      ['', 'store-damaged'],
      ['{"format":"something else"}\n', 'store-damaged'],
      ['null\n', 'store-damaged'],
      ['{"format":"secure-chat-store","version":2}\n', 'store-too-new'],
      ['{"format":"secure-chat-store","version":1,"generation":"a","seal":null}\n', 'store-damaged']
    ] as const) {
      writeFileSync(journal, text, { mode: 0o600 })
      await t.rejects(FileStore.open({ folder }), { kind: 'store', code }, text)
    }
  }
)
