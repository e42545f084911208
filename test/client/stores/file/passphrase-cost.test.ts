import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import t from 'tap'
import { FileStore } from '../../../../src/client/stores/file/store.js'

t.test('The key of a store costs what the protocol asks for', async (t) => {
  const options = { folder: join(t.testdir(), 'store'), passphrase: 'correct horse battery staple' }
  const store = await FileStore.open(options)
  await store.update((tx) => tx.set('a', 1))
  await store.close()
  const [header] = readFileSync(join(options.folder, 'journal'), 'utf8').split('\n')
  t.match(JSON.parse(header!), {
    seal: { kdf: 'Argon2id', memory: 65_536, passes: 3, lanes: 1, salt: /^.{24}$/ }
  })
  const again = await FileStore.open(options)
  t.equal(await again.get('a'), 1)
  await again.close()
})
