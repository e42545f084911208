import { existsSync, linkSync, readFileSync, writeFileSync } from 'node:fs'
import { open } from 'node:fs/promises'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import t, { type Test } from 'tap'
import { FileStore } from '../../../../src/client/stores/file/store.js'
import { filesWith } from '../../../support/bytes-on-disk.js'
import { generateKeys } from '../../../support/store-keys.js'
import { startStoreProcess } from '../../../support/store-process.js'

const newFolder = (t: Test) => join(t.testdir(), 'store')
const secret = () => crypto.getRandomValues(new Uint8Array(32))

t.test('A secret that is deleted or replaced is in no file when the update resolves', async (t) => {
  const folder = newFolder(t)
  const store = await FileStore.open({ folder })
  const [first, second, third] = [secret(), secret(), secret()]
  await store.update((tx) => tx.set('key/a', { bytes: first }))
  await store.update((tx) => tx.set('key/b', { text: Buffer.from(second).toString('hex') }))
  t.equal(filesWith(folder, first).length, 1)
  t.equal(filesWith(folder, second).length, 1)
  await store.update((tx) => tx.set('key/a', { bytes: third }))
  t.strictSame(filesWith(folder, first), [])
  await store.update((tx) => {
    tx.delete('key/a')
    tx.delete('key/b')
  })
  t.strictSame([...filesWith(folder, second), ...filesWith(folder, third)], [])
  await store.close()
})

t.test('A private key in a larger record is erased with the record, and so is a secret key', async (t) => {
  const folder = newFolder(t)
  const store = await FileStore.open({ folder })
  const { signing, secret } = await generateKeys(true)
  // The key proper stands in the midst of its encoding.
  const inner = new Uint8Array(await crypto.subtle.exportKey('pkcs8', signing)).slice(-32)
  const raw = new Uint8Array(await crypto.subtle.exportKey('raw', secret))
  await store.update((tx) => tx.set('device', { name: 'laptop', keys: [{ signing }, { secret }] }))
  t.equal(filesWith(folder, inner).length + filesWith(folder, raw).length, 2)
  await store.update((tx) => tx.set('device', { name: 'laptop', keys: [] }))
  t.strictSame([...filesWith(folder, inner), ...filesWith(folder, raw)], [])
  await store.close()
})

t.test('A file that is replaced is overwritten first', async (t) => {
  const folder = newFolder(t)
  const store = await FileStore.open({ folder })
  const kept = secret()
  await store.update((tx) => tx.set('key/a', kept))
  const old = await open(join(folder, 'journal'))
  await store.changePassphrase('correct horse battery')
  const bytes = await old.readFile()
  await old.close()
  t.ok(bytes.length > 0 && bytes.every((byte) => byte === 0))
  t.strictSame(filesWith(folder, kept), [])
  t.strictSame(await store.get('key/a'), kept)
  await store.close()
})

t.test('A store from which everything is deleted keeps no names either', async (t) => {
  const folder = newFolder(t)
  const store = await FileStore.open({ folder })
  await store.update((tx) => {
    tx.set('user/alice-of-it', 1)
    tx.set('key/bob-of-it', 1)
  })
  await store.update((tx) => tx.delete('user/alice-of-it'))
  t.equal(filesWith(folder, 'alice-of-it').length, 1, 'a name is not a secret')
  await store.update((tx) => tx.delete('key/bob-of-it'))
  t.strictSame([...filesWith(folder, 'alice-of-it'), ...filesWith(folder, 'bob-of-it')], [])
  await store.close()
})

/** A store whose last update has deleted a secret, and its file before that and after it. */
async function afterDeletion(t: Test) {
  const folder = newFolder(t)
  const journal = join(folder, 'journal')
  const store = await FileStore.open({ folder })
  const [gone, kept] = [secret(), secret()]
  await store.update((tx) => {
    tx.set('key/gone', gone)
    tx.set('key/kept', kept)
  })
  const before = readFileSync(journal)
  await store.update((tx) => tx.delete('key/gone'))
  await store.close()
  return { folder, journal, gone, kept, before, after: readFileSync(journal) }
}

t.test(
  'When a crash came before a secret was erased, or wholly erased, the next opening erases it',
  async (t) => {
    const { folder, journal, gone, kept, before, after } = await afterDeletion(t)
    const erased = before.findIndex((byte, at) => byte !== after[at])
    for (const done of [0, 1, 70, 100]) {
      const bytes = Buffer.concat([before, after.subarray(before.length)])
      after.copy(bytes, erased, erased, erased + done)
      writeFileSync(journal, bytes)
      const store = await FileStore.open({ folder })
      t.strictSame(readFileSync(journal), after, `${done} bytes were erased`)
      t.strictSame(filesWith(folder, gone), [])
      t.strictSame(await store.list('key/'), [['key/kept', kept]])
      await store.close()
    }
  }
)

t.test('A process that has the store open erases what another one left when it crashed', async (t) => {
  const { folder, journal, gone, before, after } = await afterDeletion(t)
  writeFileSync(journal, before)
  const store = await FileStore.open({ folder })
  writeFileSync(journal, Buffer.concat([before, after.subarray(before.length)]))
  writeFileSync(`${journal}.new`, gone)
  t.equal(await store.get('key/gone'), undefined)
  await store.update(() => undefined)
  t.strictSame(filesWith(folder, gone), [])
  await store.close()
})

t.test('A crash while the file is replaced leaves one whole store and no secret of the other', async (t) => {
  const { folder, journal, gone, kept, before } = await afterDeletion(t)
  const opens = async (what: string) => {
    const store = await FileStore.open({ folder })
    t.strictSame(await store.get('key/kept'), kept, what)
    await store.close()
    t.notOk(existsSync(`${journal}.new`) || existsSync(`${journal}.old`), what)
    t.strictSame(filesWith(folder, gone), [], what)
  }
  writeFileSync(`${journal}.new`, before.subarray(0, before.length - 30), { mode: 0o600 })
  await opens('the new file was being written')
  linkSync(journal, `${journal}.old`)
  writeFileSync(`${journal}.new`, before, { mode: 0o600 })
  await opens('the old file had got its second name')
  writeFileSync(`${journal}.old`, before, { mode: 0o600 })
  await opens('the new file had its name')
})

t.test('A secret that is damaged, and that nothing deletes, is damage', async (t) => {
  const { folder, journal, after, kept } = await afterDeletion(t)
  const text = Buffer.from(kept).toString('base64')
  writeFileSync(journal, after.toString('latin1').replace(text, '-'.repeat(text.length)), 'latin1')
  await t.rejects(FileStore.open({ folder }), { code: 'store-damaged' })
})

t.test('A file that cannot be overwritten in place is replaced', async (t) => {
  const folder = newFolder(t)
  const store = await FileStore.open({ folder })
  const gone = secret()
  await store.update((tx) => {
    tx.set('key/gone', gone)
    tx.set('key/kept', 1)
  })
  const handle = await open(join(folder, 'journal'))
  const prototype = Object.getPrototypeOf(handle) as { write: (...args: unknown[]) => unknown }
  await handle.close()
  const { write } = prototype
  t.teardown(() => (prototype.write = write))
  let writes = 0
  prototype.write = function (this: unknown, ...args) {
    // The first write is the line that deletes the entry; the second is to erase its secret.
    if (writes++ === 1) throw new Error('ENOSPC: no space left on device, write')
    return Reflect.apply(write, this, args)
  }
  await store.update((tx) => tx.delete('key/gone'))
  t.ok(writes > 2)
  t.strictSame(filesWith(folder, gone), [])
  t.strictSame(await store.list(''), [['key/kept', 1]])
  await store.close()
})

t.test('A process that is killed at any moment leaves no secret that it had deleted', async (t) => {
  const folder = newFolder(t)
  const rounds = process.env['FULL'] === '1' ? 32 : 8
  const deleted: string[] = []
  for (let round = 0; round < rounds; round++) {
    const process = startStoreProcess(folder, 'replace', 1e6)
    deleted.push((await process.line())!)
    await sleep(Math.random() * 100)
    await process.kill()
    deleted.push(...(await process.rest()))
    const store = await FileStore.open({ folder })
    const live = (await store.list<string>('key/')).map(([, value]) => value)
    await store.close()
    const found = deleted.filter((secret) => !live.includes(secret) && filesWith(folder, secret).length > 0)
    t.strictSame(found, [], `of ${deleted.length}`)
  }
})
