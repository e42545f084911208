import { cpSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import t, { type Test } from 'tap'
import { FileStore } from '../../src/client/stores/file/store.js'
import { cheapArgon2 } from '../support/cheap-argon2.js'
import { filesWith } from '../support/bytes-on-disk.js'
import { machine, type Machine } from '../support/cli-process.js'
import { eventually } from '../support/eventually.js'
import { RecordingStore } from '../support/recording-store.js'
import { startChat } from '../support/start-chat.js'
import { tamperingProxy } from '../support/tampering-proxy.js'

cheapArgon2(t)
const { url } = await startChat(t)

/** The keys and tokens in a profile's store. */
async function secretsOf(home: Machine, profile: string): Promise<Uint8Array[]> {
  const store = new RecordingStore(await FileStore.open({ folder: join(home.home, profile, 'keys') }))
  const present = await store.present()
  await store.close()
  return present
}

async function found(home: Machine, secrets: readonly Uint8Array[]): Promise<number> {
  return secrets.filter((secret) => filesWith(home.home, secret).length > 0).length
}

t.test('`logout --forget` leaves no key, token or name in the files', async (t: Test) => {
  const home = await machine(t, url)
  await home.register('alice', 'bob')
  await home.ok('alice', ['send', 'bob', 'hello'])
  const secrets = await secretsOf(home, 'alice')
  t.ok(secrets.length >= 5 && (await found(home, secrets)) === secrets.length)
  await home.ok('alice', ['logout', '--forget', '--yes'])
  t.equal(await found(home, secrets), 0)
  t.strictSame(filesWith(join(home.home, 'alice'), 'bob'), [])
})

t.test(
  '`devices rekey --forget-past` leaves no session key and no old private key in the files',
  async (t) => {
    const home = await machine(t, url)
    await home.register('carol', 'dave')
    await home.ok('carol', ['send', 'dave', 'hello'])
    const before = await secretsOf(home, 'carol')
    await home.ok('carol', ['devices', 'rekey', '--forget-past', '--yes'])
    const after = new Set((await secretsOf(home, 'carol')).map(String))
    const gone = before.filter((secret) => !after.has(String(secret)))
    t.ok(gone.length >= 2)
    t.equal(await found(home, gone), 0)
  }
)

t.test('When `send` is killed while its text is in a file, the next one takes it out', async (t) => {
  const home = await machine(t, url)
  await home.register('erin', 'frank')
  await home.ok('erin', ['send', 'frank', 'the first'])
  const proxy = await tamperingProxy(t, url)
  proxy.tamper({
    answer: (answer) => {
      if (answer.method === 'POST' && answer.path.includes('/messages')) answer.status = 503
    }
  })
  const killed = ['a text that the server has', 'another one']
  for (const text of killed) {
    const sending = home.start('erin', ['send', 'frank', text], { env: { SECURE_CHAT_URL: proxy.url } })
    await eventually(() => filesWith(home.home, text).length > 0, text)
    await sending.killed()
  }
  await home.ok('erin', ['send', 'frank', 'the last'])
  for (const text of [...killed, 'the last']) t.strictSame(filesWith(home.home, text), [], text)
  const history = await home.json('frank', ['history', 'erin'])
  t.strictSame(
    history.map(({ body }) => body),
    ['the first', ...killed, 'the last']
  )
})

t.test('A profile whose keys had a passphrase takes none in their place that have not', async (t) => {
  const home = await machine(t, url)
  const given = { env: { SECURE_CHAT_PASSPHRASE: 'velvet anvil 77' } }
  await home.ok('grace', ['register', 'grace'], given)
  await home.register('mallory')
  const keys = join(home.home, 'grace', 'keys')
  rmSync(keys, { recursive: true })
  cpSync(join(home.home, 'mallory', 'keys'), keys, { recursive: true })
  t.match(await home.run('grace', ['whoami'], given), {
    code: 1,
    out: '',
    err: /not encrypted under a passphrase[^]*put another in its place/
  })
  t.match(await home.run('grace', ['whoami']), { code: 2, out: '', err: /SECURE_CHAT_PASSPHRASE/ })
  t.match(await home.ok('mallory', ['whoami']), /mallory/, 'who never had one is not asked')
})

t.test('The passphrase of the keys may stand in a file, as a password may', async (t) => {
  const home = await machine(t, url)
  const path = join(home.home, 'passphrase')
  const fromFile = (...line: string[]) => home.run('heidi', ['--keys-passphrase-file', path, ...line])
  t.match(await fromFile('register', 'heidi'), { code: 2, err: /can't be read/ })
  writeFileSync(path, '\ufeffvelvet anvil 77\r\nanother line\n')
  t.match(await fromFile('register', 'heidi'), { code: 0 })
  t.match(await fromFile('whoami'), { code: 0, out: /heidi/ })
  const inVariable = { env: { SECURE_CHAT_PASSPHRASE: 'velvet anvil 77' } }
  t.match(await home.run('heidi', ['whoami'], inVariable), { code: 0 }, 'it is the same one')
  t.match(await home.run('heidi', ['whoami']), { code: 2, err: /name a file with --keys-passphrase-file/ })
  writeFileSync(path, 'another passphrase\n')
  t.match(await fromFile('whoami'), { code: 1, err: /passphrase/ })
  t.match(await fromFile('doctor'), { out: /fail +key store/ })
})
