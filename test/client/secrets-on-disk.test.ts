import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import t, { type Test } from 'tap'
import type { ChatClientOptions } from '../../src/client/options.js'
import { FileStore } from '../../src/client/stores/file/store.js'
import { filesWith } from '../support/bytes-on-disk.js'
import { all, client, failure, Listener, PASSWORD, registered } from '../support/chat-clients.js'
import { RecordingStore } from '../support/recording-store.js'
import { startChat } from '../support/start-chat.js'

const { url } = await startChat(t)

/** A registered user whose store is in files. */
async function onDisk(t: Test, username: string, options: Partial<ChatClientOptions> = {}) {
  const folder = await mkdtemp(join(tmpdir(), 'secure-chat-secrets-'))
  t.teardown(() => rm(folder, { recursive: true }))
  const store = new RecordingStore(await FileStore.open({ folder }))
  const chat = await registered(t, url, username, { ...options, store })
  const onDisk = (secret: Uint8Array | string) => filesWith(folder, secret).length > 0
  return { chat, store, folder, onDisk }
}

type OnDisk = Awaited<ReturnType<typeof onDisk>>

/** Nothing that is gone from the store is in its files, and everything else is. */
async function holdsOnlyThePresent(t: Test, { store, onDisk }: OnDisk, least: number): Promise<void> {
  const gone = await store.gone()
  t.ok(gone.length >= least, `${gone.length} secrets are gone`)
  t.strictSame(gone.filter(onDisk), [])
  t.ok((await store.present()).every(onDisk), 'the search finds what is there')
}

t.test('The text of a message is in no file once the server has the message', async (t) => {
  let isDown = false
  const down: typeof fetch = async (input, init) => {
    if (isDown) throw new TypeError('cut')
    return fetch(input, init)
  }
  const anna = await onDisk(t, 'anna', { fetch: down, random: () => 0 })
  await registered(t, url, 'ben')
  const { conversationId } = await anna.chat.send({ username: 'ben' }, 'sent at once, and gone at once')
  t.notOk(anna.onDisk('sent at once, and gone at once'))
  isDown = true
  await failure(anna.chat.send(conversationId, 'waits for the server'))
  t.ok(anna.onDisk('waits for the server'), 'it must survive a crash')
  isDown = false
  await anna.chat.flush()
  t.notOk(anna.onDisk('waits for the server'))
  await Promise.all(Array.from({ length: 20 }, (_, n) => anna.chat.send(conversationId, `one of many: ${n}`)))
  t.notOk(anna.onDisk('one of many'))
})

t.test('The text of a message never gets into a file of its receiver', async (t) => {
  const carl = await onDisk(t, 'carl')
  const dora = await registered(t, url, 'dora')
  const heard = new Listener(t, carl.chat)
  await heard.first('connected')
  const { conversationId } = await dora.send({ username: 'carl' }, 'for your eyes only')
  await heard.message('for your eyes only')
  t.equal((await all(carl.chat.history(conversationId, { after: 0 }))).length, 1)
  await heard.stop()
  await carl.chat.close()
  t.notOk(carl.onDisk('for your eyes only'))
})

t.test('A title that is replaced is in no file any more', async (t) => {
  const emil = await onDisk(t, 'emil')
  await registered(t, url, 'frida')
  const { id } = await emil.chat.conversations.createGroup('the first title', ['frida'])
  t.ok(emil.onDisk('the first title'))
  await emil.chat.conversations.rename(id, 'the second title')
  t.notOk(emil.onDisk('the first title'))
  t.ok(emil.onDisk('the second title'))
})

t.test(
  'A rekey takes the old private key out of the files, and with `forgetPast` the session keys',
  async (t) => {
    const gina = await onDisk(t, 'gina')
    await registered(t, url, 'hugo')
    const { conversationId } = await gina.chat.send({ username: 'hugo' }, 'before')
    const [, session] = [await gina.store.gone(), await gina.store.present()]
    await gina.chat.devices.rekey()
    const kept = new Set((await gina.store.present()).map(String))
    const gone = session.filter((secret) => !kept.has(String(secret)))
    t.ok(gone.length >= 2, 'the private RSA and ML-KEM keys are gone')
    await holdsOnlyThePresent(t, gina, 1)
    await gina.chat.devices.rekey({ forgetPast: true })
    await holdsOnlyThePresent(t, gina, 3)
    const [only] = await all(gina.chat.history(conversationId, { after: 0 }))
    t.equal(only?.type, 'unreadable')
  }
)

t.test('A token that is replaced or has expired is in no file any more', async (t) => {
  let now = Date.now()
  const ida = await onDisk(t, 'ida', { now: () => now })
  now += 3600_000
  await ida.chat.sessions.list()
  await holdsOnlyThePresent(t, ida, 2)
  const elsewhere = await client(t, url)
  await elsewhere.login({ username: 'ida', password: PASSWORD })
  for (const { id, current } of await elsewhere.sessions.list())
    if (!current) await elsewhere.sessions.end(id)
  t.equal((await failure(ida.chat.sessions.list())).kind, 'logged-out')
  await holdsOnlyThePresent(t, ida, 4)
})

t.test('A log-out takes the tokens out of the files, and `forget` all keys and all names', async (t) => {
  const jana = await onDisk(t, 'jana')
  await registered(t, url, 'kurt-the-contact')
  await jana.chat.send({ username: 'kurt-the-contact' }, 'hello')
  await jana.chat.logout()
  await holdsOnlyThePresent(t, jana, 2)
  t.ok(jana.onDisk('kurt-the-contact'))
  await jana.chat.logout({ forget: true })
  await holdsOnlyThePresent(t, jana, 5)
  t.strictSame(await jana.store.present(), [])
  t.notOk(jana.onDisk('kurt-the-contact'))
  t.notOk(jana.onDisk('jana'))
})
