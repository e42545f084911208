import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import t, { type Test } from 'tap'
import type { ChatClient } from '../../../src/client/client.js'
import type { DeviceKeys } from '../../../src/client/identity/device-keys.js'
import { FileStore } from '../../../src/client/node.js'
import { MemoryStore } from '../../../src/client/stores/memory.js'
import type { CryptoKey, Store } from '../../../src/client/stores/store.js'
import { failure, texts } from '../../support/chat-clients.js'
import { problem } from '../../support/fake-answers.js'
import { fakeClient, fakeUser, linkedDevice } from '../../support/fake-clients.js'
import { FakeServer } from '../../support/fake-server.js'

const DAY_MS = 86_400_000

interface Scene {
  server: FakeServer
  store: MemoryStore
  alice: ChatClient
  bob: ChatClient
  conversationId: string
}

/** Bob has sent something that Alice's device has not fetched. */
async function scene(t: Test): Promise<Scene> {
  const server = new FakeServer()
  const store = new MemoryStore()
  const alice = await fakeUser(t, server, 'alice', { store })
  const bob = await fakeUser(t, server, 'bob')
  const { conversationId } = await bob.send({ username: 'alice' }, 'before')
  return { server, store, alice, bob, conversationId }
}

function deviceIn(store: Store): Promise<DeviceKeys> {
  return store.get<DeviceKeys>('device') as Promise<DeviceKeys>
}

/** Whether a store has a key anywhere. */
async function holds(store: Store, key: CryptoKey): Promise<boolean> {
  const has = (value: unknown): boolean =>
    value === key || (typeof value === 'object' && value !== null && Object.values(value).some(has))
  return has(await store.list(''))
}

/** How many statements of each kind a user's chain has. */
function rekeys({ users }: FakeServer, username: string): number {
  const { statements } = users.get(username)!
  return statements.filter(({ text }) => text.startsWith('secure-chat/v1 device-rekey\n')).length
}

t.test(
  'A rekey replaces both keys, and what was wrapped for the old ones is read before they go',
  async (t) => {
    const { server, store, alice, bob, conversationId } = await scene(t)
    const old = await deviceIn(store)
    t.strictSame(await texts(alice, conversationId), ['before'])
    // Alice's device knows the conversation, but not its next key.
    await bob.devices.rekey()
    await bob.send(conversationId, 'between')
    const bound = () => server.requireUser('alice').history!.chain.devices.get(old.id)!
    t.match(bound(), { encryptionKey: old.encryption.fingerprint, kemKey: old.kem.fingerprint })
    await alice.devices.rekey()
    const present = await deviceIn(store)
    t.match(bound(), {
      encryptionVersion: 2,
      encryptionKey: present.encryption.fingerprint,
      kemKey: present.kem.fingerprint
    })
    t.not(present.encryption.fingerprint, old.encryption.fingerprint)
    t.not(present.kem.fingerprint, old.kem.fingerprint)
    for (const key of [old.encryption.privateKey, old.kem.sealingKey]) t.notOk(await holds(store, key))
    await bob.send(conversationId, 'after')
    t.strictSame(await texts(alice, conversationId), ['before', 'between', 'after'])
  }
)

t.test('While wraps for the old keys can’t be fetched, the old keys stay', async (t) => {
  const { server, store, alice, conversationId } = await scene(t)
  const old = await deviceIn(store)
  server.lies.push(({ method, path }) =>
    method === 'GET' && path.includes('/session-keys/') ? problem('stopping') : undefined
  )
  t.match(await failure(alice.devices.rekey()), { status: 503 })
  t.equal(rekeys(server, 'alice'), 1)
  t.ok(await holds(store, old.encryption.privateKey))
  await alice.close()
  server.lies.length = 0
  const again = await fakeClient(t, server, { store })
  t.strictSame(await texts(again, conversationId), ['before'])
  await again.flush()
  t.notOk(await holds(store, old.encryption.privateKey))
  t.equal(rekeys(server, 'alice'), 1)
})

t.test('A rekey that the server ignores destroys nothing', async (t) => {
  const { server, store, alice, bob, conversationId } = await scene(t)
  const old = await deviceIn(store)
  server.lies.push(({ path }) =>
    path.endsWith('/encryption-key') ? { device: server.requireUser('alice').list()[0] } : undefined
  )
  t.match(await failure(alice.devices.rekey()), { kind: 'untrusted', code: 'ignored-statement' })
  t.ok(await holds(store, old.encryption.privateKey))
  await bob.send(conversationId, 'after')
  t.strictSame(await texts(alice, conversationId), ['before', 'after'])
})

t.test(
  'A KEM key lies encrypted under a key that can’t be extracted where the store allows it',
  async (t) => {
    const { store } = await scene(t)
    const { kem, encryption, signing } = await deviceIn(store)
    for (const key of [kem.sealingKey, encryption.privateKey, signing.privateKey]) t.notOk(key.extractable)
    t.equal(kem.sealedSeed.length, 64 + 16)
  }
)

t.test('A KEM key in a file opens what was wrapped for it, after a restart', async (t) => {
  const server = new FakeServer()
  const folder = mkdtempSync(join(tmpdir(), 'rekey-'))
  t.teardown(() => rmSync(folder, { recursive: true, force: true }))
  const alice = await fakeUser(t, server, 'alice', { store: await FileStore.open({ folder }) })
  await alice.close()
  const bob = await fakeUser(t, server, 'bob')
  const { conversationId } = await bob.send({ username: 'alice' }, 'hello')
  const again = await fakeClient(t, server, { store: await FileStore.open({ folder }) })
  t.strictSame(await texts(again, conversationId), ['hello'])
})

t.test('A device replaces its keys by itself after 60 to 120 days', async (t) => {
  for (const [random, days] of [
    [() => 0, 60],
    [() => 0.999, 120]
  ] as const) {
    const server = new FakeServer()
    let now = Date.parse('2026-01-01T00:00:00Z')
    const alice = await fakeUser(t, server, 'alice', { now: () => now, random })
    await alice.flush()
    now += (days - 1) * DAY_MS
    await alice.flush()
    t.equal(rekeys(server, 'alice'), 0)
    now += DAY_MS
    await alice.flush()
    await alice.flush()
    t.equal(rekeys(server, 'alice'), 1)
    now += (days - 1) * DAY_MS
    await alice.flush()
    t.equal(rekeys(server, 'alice'), 1)
    now += DAY_MS
    await alice.flush()
    t.equal(rekeys(server, 'alice'), 2)
  }
})

t.test(
  'One device of a user a day replaces its keys, and none while a link number is compared',
  async (t) => {
    const server = new FakeServer()
    let now = Date.parse('2026-01-01T00:00:00Z')
    const clock = { now: () => now }
    const laptop = await fakeUser(t, server, 'alice', clock)
    const phone = await linkedDevice(t, server, laptop, clock)
    await laptop.flush()
    await phone.flush()
    now += 60 * DAY_MS
    const tablet = await fakeClient(t, server, clock)
    await tablet.login({ username: 'alice', password: 'correct horse battery staple' })
    const [waiting] = await laptop.devices.requests()
    await laptop.devices.linkNumber(waiting!.id)
    await laptop.flush()
    t.equal(rekeys(server, 'alice'), 0)
    now += 10 * 60_000
    await laptop.flush()
    t.equal(rekeys(server, 'alice'), 1)
    await phone.flush()
    t.equal(rekeys(server, 'alice'), 1, 'the phone waits')
    now += DAY_MS
    await phone.flush()
    t.equal(rekeys(server, 'alice'), 2)
  }
)

t.test('When the server refuses, the device tries again a day later', async (t) => {
  const server = new FakeServer()
  let now = Date.parse('2026-01-01T00:00:00Z')
  const alice = await fakeUser(t, server, 'alice', { now: () => now })
  await alice.flush()
  now += 60 * DAY_MS
  server.lies.push(({ path }) =>
    path.endsWith('/encryption-key') ? problem('too-many-statements') : undefined
  )
  await alice.flush()
  await alice.flush()
  t.equal(server.seen.filter(({ path }) => path.endsWith('/encryption-key')).length, 1)
  server.lies.length = 0
  now += DAY_MS
  await alice.flush()
  t.equal(rekeys(server, 'alice'), 1)
})
