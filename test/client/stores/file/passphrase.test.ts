import { createHash } from 'node:crypto'
import { copyFileSync, existsSync, readFileSync, renameSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import t, { type Test } from 'tap'
import { DEFAULT_COST } from '../../../../src/crypto/argon2.js'
import { readHeader } from '../../../../src/client/stores/file/header.js'
import { formatLine, formatPart, readRecords } from '../../../../src/client/stores/file/records.js'
import { FileStore } from '../../../../src/client/stores/file/store.js'
import { cheapArgon2 } from '../../../support/cheap-argon2.js'
import { keepsTheContract } from '../../../support/store-contract.js'

const passphrase = 'correct horse battery staple'
const newFolder = (t: Test) => join(t.testdir(), 'store')

cheapArgon2(t)

// One store serves the whole contract, and is emptied for each test.
const contracted = await FileStore.open({ folder: newFolder(t), passphrase })
t.teardown(() => contracted.close())
keepsTheContract(t, async () => {
  await contracted.update(async (tx) => {
    for (const [name] of await tx.list('')) tx.delete(name)
  })
  return contracted
})

t.test('With a passphrase the file shows neither names nor values', async (t) => {
  const folder = newFolder(t)
  const store = await FileStore.open({ folder, passphrase })
  await store.update((tx) => tx.set('name-of-it', { member: 'content of it' }))
  await store.close()
  const [header, ...lines] = readFileSync(join(folder, 'journal'), 'utf8').split('\n')
  t.match(JSON.parse(header!), {
    seal: { kdf: 'Argon2id', salt: /^.{24}$/ }
  })
  t.equal(lines.length, 3)
  const parts = lines.flatMap((line) => line.split(' ')).filter((part) => !/^[0-9a-f]*$/.test(part))
  t.equal(parts.length, 3, 'two payloads and a secret')
  const text = parts.map((part) => Buffer.from(part, 'base64').toString('latin1')).join('')
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
  await store.changePassphrase()
  await t.rejects(FileStore.open({ folder, passphrase }), { kind: 'store', code: 'not-encrypted' })
  await store.close()
})

t.test(
  'A store in the clear is refused in the place of an encrypted one, at once by who has it open',
  async (t) => {
    const [folder, other] = [newFolder(t), join(t.testdir(), 'other')]
    const store = await FileStore.open({ folder, passphrase })
    await (await FileStore.open({ folder: other })).close()
    copyFileSync(join(other, 'journal'), join(folder, 'journal.copy'))
    renameSync(join(folder, 'journal.copy'), join(folder, 'journal'))
    const refusal = { kind: 'store', code: 'not-encrypted', hint: /another in its place/ }
    await t.rejects(store.get('a'), refusal)
    await t.rejects(FileStore.open({ folder, passphrase }), refusal)
    await store.close()
  }
)

t.test(
  'A new passphrase has 12 characters at least, and a store is not made with a shorter one',
  async (t) => {
    const folder = newFolder(t)
    const bad = { kind: 'usage', code: 'bad-passphrase', message: /12 to 1024 characters, not/ }
    for (const short of ['', 'elevenchars', 'e\u0301'.repeat(11)])
      await t.rejects(FileStore.open({ folder, passphrase: short }), bad)
    t.notOk(existsSync(join(folder, 'journal')))
    const store = await FileStore.open({ folder })
    await t.rejects(store.changePassphrase('elevenchars'), bad)
    await store.close()
  }
)

t.test('A passphrase is the same however its letters are composed', async (t) => {
  const folder = newFolder(t)
  await (await FileStore.open({ folder, passphrase: 'Caf\u00e9 \u2460 M\u00fcnchen' })).close()
  await (await FileStore.open({ folder, passphrase: 'Cafe\u0301 1 Mu\u0308nchen' })).close()
})

t.test('When the passphrase is changed, the new one opens the store and the old one does not', async (t) => {
  const folder = newFolder(t)
  const store = await FileStore.open({ folder })
  const other = await FileStore.open({ folder })
  await store.update((tx) => tx.set('a', 'content of it'))
  await store.changePassphrase('the first passphrase')
  await t.rejects(other.get('a'), { code: 'passphrase-needed' })
  await other.close()
  t.notMatch(readFileSync(join(folder, 'journal'), 'utf8'), /content of it/)
  await store.changePassphrase('the second passphrase')
  await store.update((tx) => tx.set('b', 2))
  await store.close()
  await t.rejects(FileStore.open({ folder, passphrase: 'the first passphrase' }), {
    code: 'wrong-passphrase'
  })
  const again = await FileStore.open({ folder, passphrase: 'the second passphrase' })
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
  for (const value of ['one', 'two', 'three']) await store.update((tx) => tx.set('user/a', value))
  await store.close()
  const bytes = readFileSync(journal)
  const { size, checksum } = readHeader(bytes)
  const [first, one, two, three] = readRecords(bytes.subarray(size), checksum).map(({ payload }) => payload)
  const rewrite = async (header: Buffer, payloads: (string | undefined)[]) => {
    let text = header.toString()
    let checksum = createHash('sha256').update(header).digest('hex')
    for (const payload of payloads) {
      const part = formatPart(payload!, checksum)
      text += formatLine(part, []).bytes.toString()
      checksum = part.checksum
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
    [first, one, two, Buffer.from('[["user/a","four"]]').toString('base64')],
    [first, one, two, '']
  ]) {
    await rewrite(header, payloads)
    await t.rejects(FileStore.open({ folder, passphrase }), damaged)
  }
  // Neither less work than is safe, nor so much that the reader stands still: refused before any of it.
  const since = performance.now()
  const { memory } = DEFAULT_COST
  for (const [from, to] of [
    [`"memory":${memory}`, `"memory":${memory - 1}`],
    [`"memory":${memory}`, '"memory":1048577'],
    ['"passes":3', '"passes":2'],
    ['"passes":3', '"passes":11'],
    ['"lanes":1', '"lanes":0'],
    ['"lanes":1', '"lanes":5'],
    ['"Argon2id"', '"PBKDF2-SHA-256"']
  ] as const) {
    t.ok(header.includes(from))
    await rewrite(Buffer.from(header.toString().replace(from, to)), [first, one, two, three])
    await t.rejects(FileStore.open({ folder, passphrase }), damaged, to)
  }
  t.ok(performance.now() - since < 500)
  await rewrite(Buffer.from(header.toString().replace(/"generation":"./, '"generation":"x')), [first])
  await t.rejects(FileStore.open({ folder, passphrase }), { code: 'wrong-passphrase' })
})
