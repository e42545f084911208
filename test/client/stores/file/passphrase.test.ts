import { createHash } from 'node:crypto'
import { readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import t, { type Test } from 'tap'
import { formatRecord, readHeader, readRecords } from '../../../../src/client/stores/file/records.js'
import { FileStore } from '../../../../src/client/stores/file/store.js'
import { keepsTheContract } from '../../../support/store-contract.js'

const passphrase = 'correct horse battery staple'
const newFolder = (t: Test) => join(t.testdir(), 'store')

keepsTheContract(t, async (t) => {
  const store = await FileStore.open({ folder: newFolder(t), passphrase })
  t.teardown(() => store.close())
  return store
})

t.test('With a passphrase the file shows neither names nor values', async (t) => {
  const folder = newFolder(t)
  const store = await FileStore.open({ folder, passphrase })
  await store.update((tx) => tx.set('name-of-it', { member: 'content of it' }))
  await store.close()
  const [header, ...lines] = readFileSync(join(folder, 'journal'), 'utf8').split('\n')
  t.match(JSON.parse(header!), { seal: { kdf: 'PBKDF2-SHA-256', iterations: 600_000, salt: /^.{24}$/ } })
  t.equal(lines.length, 3)
  const text = lines.map((line) => Buffer.from(line.slice(74), 'base64').toString('latin1')).join('')
  t.notMatch(text + lines.join(''), /name-of-it|member|content of it/)
  const again = await FileStore.open({ folder, passphrase })
  t.strictSame(await again.list(''), [['name-of-it', { member: 'content of it' }]])
  await again.close()
})

t.test('A wrong, a missing and an unexpected passphrase each have an error of their own', async (t) => {
  const folder = newFolder(t)
  const store = await FileStore.open({ folder, passphrase })
  await t.rejects(FileStore.open({ folder, passphrase: `${passphrase} ` }), {
    kind: 'store',
    code: 'wrong-passphrase'
  })
  await t.rejects(FileStore.open({ folder }), { kind: 'store', code: 'passphrase-needed' })
  await t.rejects(FileStore.open({ folder, passphrase: '' }), { kind: 'usage', code: 'empty-passphrase' })
  await store.changePassphrase()
  await t.rejects(FileStore.open({ folder, passphrase }), { kind: 'store', code: 'not-encrypted' })
  await store.close()
})

t.test('A passphrase is the same however its letters are composed', async (t) => {
  const folder = newFolder(t)
  await (await FileStore.open({ folder, passphrase: 'Stra\u00dfe caf\u00e9' })).close()
  await (await FileStore.open({ folder, passphrase: 'Stra\u00dfe cafe\u0301' })).close()
})

t.test('When the passphrase is changed, the new one opens the store and the old one does not', async (t) => {
  const folder = newFolder(t)
  const store = await FileStore.open({ folder })
  const other = await FileStore.open({ folder })
  await store.update((tx) => tx.set('a', 'content of it'))
  await store.changePassphrase('first')
  await t.rejects(other.get('a'), { code: 'passphrase-needed' })
  await other.close()
  t.notMatch(readFileSync(join(folder, 'journal'), 'utf8'), /content of it/)
  await store.changePassphrase('second')
  await store.update((tx) => tx.set('b', 2))
  await store.close()
  await t.rejects(FileStore.open({ folder, passphrase: 'first' }), { code: 'wrong-passphrase' })
  const again = await FileStore.open({ folder, passphrase: 'second' })
  t.strictSame(await again.list(''), [
    ['a', 'content of it'],
    ['b', 2]
  ])
  await again.close()
})

t.test('Other processes can still read an encrypted store after it is rewritten', async (t) => {
  const folder = newFolder(t)
  const [one, two] = await Promise.all([1, 2].map(() => FileStore.open({ folder, passphrase })))
  for (let n = 0; n < 12; n++) {
    const [writer, reader] = n % 2 === 0 ? [one!, two!] : [two!, one!]
    await writer.update((tx) => tx.set('a', String(n).padEnd(40_000)))
    t.equal(await reader.get('a'), String(n).padEnd(40_000))
  }
  await Promise.all([one!.close(), two!.close()])
})

t.test('Without the passphrase nobody can forge a line, even with correct checksums', async (t) => {
  const folder = newFolder(t)
  const journal = join(folder, 'journal')
  const store = await FileStore.open({ folder, passphrase })
  for (const value of ['one', 'two', 'three']) await store.update((tx) => tx.set('a', value))
  await store.close()
  const bytes = readFileSync(journal)
  const { size, checksum } = await readHeader(bytes)
  const { records } = await readRecords(bytes.subarray(size), checksum)
  const [first, one, two, three] = records.map(({ payload }) => payload)
  const rewrite = async (header: Buffer, payloads: (string | undefined)[]) => {
    let text = header.toString()
    let checksum = createHash('sha256').update(header).digest('hex')
    for (const payload of payloads) {
      const record = await formatRecord(payload!, checksum)
      text += record.line
      checksum = record.checksum
    }
    writeFileSync(journal, text)
  }
  const header = bytes.subarray(0, size)
  await rewrite(header, [first, one, two, three])
  t.strictSame(readFileSync(journal), bytes, 'the test writes what the store does')
  const damaged = { code: 'store-damaged' }
  for (const payloads of [
    [first, two, one, three],
    [first, one, three],
    [first, one, two, three, three],
    [first, one, two, Buffer.from('[["a","four"]]').toString('base64')],
    [first, one, two, '']
  ]) {
    await rewrite(header, payloads)
    await t.rejects(FileStore.open({ folder, passphrase }), damaged)
  }
  for (const [from, to] of [
    ['"iterations":600000', '"iterations":100000'],
    ['"iterations":600000', '"iterations":99999999']
  ] as const) {
    await rewrite(Buffer.from(header.toString().replace(from, to)), [first, one, two, three])
    await t.rejects(FileStore.open({ folder, passphrase }), damaged)
  }
  await rewrite(Buffer.from(header.toString().replace(/"generation":"./, '"generation":"x')), [first])
  await t.rejects(FileStore.open({ folder, passphrase }), { code: 'wrong-passphrase' })
})
