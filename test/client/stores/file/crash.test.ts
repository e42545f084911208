import { readFileSync, truncateSync, writeFileSync } from 'node:fs'
import { open, type FileHandle } from 'node:fs/promises'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import t, { type Test } from 'tap'
import { FileStore } from '../../../../src/client/stores/file/store.js'
import { cheapArgon2 } from '../../../support/cheap-argon2.js'
import { startStoreProcess } from '../../../support/store-process.js'

cheapArgon2(t)

const DASH = '-'.charCodeAt(0)

const damaged = { kind: 'store', code: 'store-damaged' }

/**
 * A store of a few transactions: its folder, its file, what the file is like, what it was like without the
 * last transaction, and what a crash leaves if it comes before the secrets of that are erased.
 */
async function smallStore(t: Test, passphrase?: string) {
  const folder = join(t.testdir(), 'store')
  const options = { folder, ...(passphrase !== undefined && { passphrase }) }
  const journal = join(folder, 'journal')
  const store = await FileStore.open(options)
  await store.update((tx) => tx.set('a', 'first'))
  await store.update((tx) => {
    tx.set('a', 'second')
    tx.set('b', Uint8Array.of(1))
  })
  const before = readFileSync(journal)
  await store.update((tx) => {
    tx.set('a', 'third'.padEnd(150))
    tx.delete('b')
  })
  await store.close()
  const bytes = readFileSync(journal)
  const crashed = Buffer.concat([before, bytes.subarray(before.length)])
  return { options, journal, before, bytes, crashed }
}

t.test('A process that is killed at any moment loses no confirmed change', async (t) => {
  const folder = join(t.testdir(), 'store')
  let last = 0
  const rounds = process.env['FULL'] === '1' ? 32 : 8
  for (let round = 0; round < rounds; round++) {
    const process = startStoreProcess(folder, 'count', 1e6)
    t.equal(Number(await process.line()), last + 1)
    await sleep(Math.random() * 60)
    await process.kill()
    last = Math.max(last + 1, ...(await process.rest()).map(Number))
    const store = await FileStore.open({ folder })
    const number = (await store.get<number>('number'))!
    t.ok(number === last || number === last + 1, `${number} after ${last}`)
    t.match(await store.get('copy'), { number }, 'all or nothing')
    await store.close()
    last = number
  }
})

t.test('A last line that a crash cut at any byte counts as not written', async (t) => {
  const { options, journal, before, crashed } = await smallStore(t)
  for (let length = before.length; length < crashed.length; length++) {
    writeFileSync(journal, crashed.subarray(0, length))
    const store = await FileStore.open(options)
    t.equal(await store.get('a'), 'second')
    await store.update((tx) => tx.set('c', length))
    await store.close()
    const next = await FileStore.open(options)
    t.strictSame(await next.list(''), [
      ['a', 'second'],
      ['b', Uint8Array.of(1)],
      ['c', length]
    ])
    await next.close()
  }
})

t.test(
  'A file that ends in zeros, because its last line was not written, is read without that line',
  async (t) => {
    const { options, journal, before, crashed } = await smallStore(t)
    for (const written of [200, 80, 73, 5, 0]) {
      writeFileSync(journal, crashed.fill(0, before.length + written))
      const store = await FileStore.open(options)
      t.equal(await store.get('a'), 'second')
      await store.update((tx) => tx.set('a', 'new'))
      t.equal(await store.get('a'), 'new')
      await store.close()
    }
  }
)

t.test('A file without its first lines does not count as an empty store', async (t) => {
  const { options, journal, bytes } = await smallStore(t)
  const end = bytes.indexOf('\n', bytes.indexOf('\n') + 1)
  for (let length = 0; length <= end; length += 7) {
    writeFileSync(journal, bytes.subarray(0, length))
    await t.rejects(FileStore.open(options), damaged)
  }
})

for (const passphrase of [undefined, 'correct horse']) {
  const title = `A byte that flips is noticed, or was erased, with ${passphrase ?? 'no passphrase'}`
  t.test(title, async (t) => {
    const { options, journal, bytes } = await smallStore(t, passphrase)
    const isErased = (at: number) => bytes[at] === DASH && (bytes[at - 1] === DASH || bytes[at + 1] === DASH)
    // To derive a key takes longer than all else, also when it is cheap.
    const step = passphrase === undefined || process.env['FULL'] === '1' ? 1 : 13
    for (let at = 0; at < bytes.length; at += step) {
      const flipped = Buffer.from(bytes)
      flipped[at]! ^= 1 << (at % 8)
      writeFileSync(journal, flipped)
      const opened = await FileStore.open(options).catch((error: unknown) => error)
      if (opened instanceof FileStore) {
        t.ok(isErased(at), `byte ${at}`)
        t.strictSame(readFileSync(journal), bytes, 'it is erased again')
        await opened.close()
      } else t.match(opened, { code: /^store-(damaged|too-new)$/ }, `byte ${at}`)
    }
  })
}

t.test('A line that was moved, left out or repeated is detected', async (t) => {
  const { options, journal, bytes } = await smallStore(t)
  const [header, first, second, third, fourth] = bytes.toString().split('\n')
  for (const lines of [
    [header, first, third, second, fourth],
    [header, first, third, fourth],
    [header, second, third, fourth],
    [header, first, second, second, third, fourth]
  ]) {
    writeFileSync(journal, `${lines.join('\n')}\n`)
    await t.rejects(FileStore.open(options), damaged)
  }
})

t.test('A store without its last line is damaged if that line has erased a secret', async (t) => {
  const { options, journal, before, bytes } = await smallStore(t)
  writeFileSync(journal, bytes.subarray(0, before.length))
  await t.rejects(FileStore.open(options), damaged)
})

t.test('Damage to a store that is open is detected at the next change', async (t) => {
  const { options, journal, bytes } = await smallStore(t)
  const store = await FileStore.open(options)
  writeFileSync(journal, Buffer.concat([bytes, Buffer.from('garbage\n')]))
  await t.rejects(store.get('a'), damaged)
  truncateSync(journal, bytes.length - 1)
  await t.rejects(
    store.update((tx) => tx.set('a', 1)),
    damaged
  )
  await store.close()
})

t.test('A change for which there is no space fails as a whole, and the store continues', async (t) => {
  const folder = join(t.testdir(), 'store')
  const process = startStoreProcess(folder, 'fill', 100_000, 40)
  t.equal(await process.line(), 'small')
  t.match(await process.line(), /cannot be written: EFBIG/)
  t.equal(await process.line(), 'after')
  const store = await FileStore.open({ folder })
  t.strictSame(await store.list(''), [
    ['after', 'x'],
    ['small', 'x']
  ])
  await store.close()
})

t.test('A change that the disk does not confirm is taken back, and nobody ever sees it', async (t) => {
  const { options, journal } = await smallStore(t)
  const [store, other] = [await FileStore.open(options), await FileStore.open(options)]
  const handle = await open(journal, 'r')
  const prototype = Object.getPrototypeOf(handle) as FileHandle
  await handle.close()
  const datasync = Object.getOwnPropertyDescriptor(prototype, 'datasync')!
  t.teardown(() => Object.defineProperty(prototype, 'datasync', datasync))
  prototype.datasync = async () => {
    Object.defineProperty(prototype, 'datasync', datasync)
    throw new Error('EIO: i/o error, fdatasync')
  }
  await t.rejects(
    store.update((tx) => tx.set('a', 'unconfirmed')),
    { kind: 'store', code: 'store-unwritable', message: /EIO/ }
  )
  t.match(await other.get('a'), /third/)
  t.match(await store.get('a'), /third/)
  await other.update((tx) => tx.set('a', 'confirmed'))
  t.equal(await store.get('a'), 'confirmed')
  await Promise.all([store.close(), other.close()])
})
