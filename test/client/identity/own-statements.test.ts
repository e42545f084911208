import t, { type Test } from 'tap'
import type { ChatClient } from '../../../src/client/client.js'
import type { DeviceKeys } from '../../../src/client/identity/device-keys.js'
import { MemoryStore } from '../../../src/client/stores/memory.js'
import type { CryptoKey } from '../../../src/client/stores/store.js'
import type { SignedStatement } from '../../../src/protocol/schema.js'
import { failure, Listener, PASSWORD } from '../../support/chat-clients.js'
import { eventually } from '../../support/eventually.js'
import { noAnswer, problem } from '../../support/fake-answers.js'
import { fakeClient, fakeUser, linkedDevice } from '../../support/fake-clients.js'
import { FakeServer, type Lie } from '../../support/fake-server.js'
import { shortenWaits } from '../../support/short-waits.js'

shortenWaits(t)

interface Scene {
  server: FakeServer
  store: MemoryStore
  laptop: ChatClient
  phone: ChatClient
  phoneId: string
}

/** Alice with two linked devices. */
async function scene(t: Test): Promise<Scene> {
  const server = new FakeServer()
  const store = new MemoryStore()
  const laptop = await fakeUser(t, server, 'alice', { store })
  const phone = await linkedDevice(t, server, laptop)
  return { server, store, laptop, phone, phoneId: phone.account!.deviceId }
}

/** A server that says yes to requests whose paths end so, and does nothing. */
function ignoring(server: FakeServer, ending: string): Lie {
  const lie: Lie = ({ path, username }) =>
    path.endsWith(ending) ? { device: server.requireUser(username!).list()[0] } : undefined
  server.lies.push(lie)
  return lie
}

/** Whether a store has a key anywhere. */
async function holds(store: MemoryStore, key: CryptoKey): Promise<boolean> {
  const has = (value: unknown): boolean =>
    value === key || (typeof value === 'object' && value !== null && Object.values(value).some(has))
  return has(await store.list(''))
}

/** The statements that were posted to paths that end so. */
function statements({ seen }: FakeServer, ending: string): SignedStatement[] {
  return seen.filter(({ path }) => path.endsWith(ending)).map(({ body }) => body.statement as SignedStatement)
}

t.test(
  'A revocation that the server ignores is found out, and sent again unchanged at the next start',
  async (t) => {
    const { server, store, laptop, phoneId } = await scene(t)
    ignoring(server, '/revocation')
    const ignored = { kind: 'untrusted', code: 'ignored-statement' }
    t.match(await failure(laptop.devices.revoke(phoneId)), ignored)
    t.match(await failure(laptop.devices.rekey()), ignored, 'nothing else is signed in its place')
    t.equal(statements(server, '/encryption-key').length, 0)
    await laptop.close()

    server.lies.length = 0
    const again = await fakeClient(t, server, { store })
    await again.flush()
    const [first, ...others] = statements(server, '/revocation')
    t.equal(others.length, 2)
    for (const other of others) t.strictSame(other, first)
    t.match(await again.devices.list(), [{ status: 'active' }, { id: phoneId, status: 'revoked' }])
    await again.devices.rekey()
    t.equal(statements(server, '/revocation').length, 3, 'it is done')
  }
)

t.test('A statement whose answer was lost is not signed again', async (t) => {
  const { server, store, laptop, phoneId } = await scene(t)
  server.lies.push(async ({ path, honest }) => {
    if (!path.endsWith('/revocation') && !path.endsWith('/encryption-key')) return undefined
    await honest()
    return problem('database-unavailable')
  })
  t.match(await failure(laptop.devices.rekey()), { status: 503 })
  await laptop.close()
  server.lies.length = 0
  const again = await fakeClient(t, server, { store })
  await again.devices.revoke(phoneId)
  const texts = new Set(statements(server, '/encryption-key').map(({ text }) => text))
  t.equal(texts.size, 1)
  t.match(server.requireUser('alice').history!.chain.sequence, 4)
  t.match(await again.devices.list(), [{ status: 'active' }, { id: phoneId, status: 'revoked' }])
})

t.test('A statement that was refused is dropped, and another one may follow', async (t) => {
  const { server, laptop, phoneId } = await scene(t)
  const refusing: Lie = ({ path }) =>
    path.endsWith('/encryption-key') ? problem('too-many-statements') : undefined
  server.lies.push(refusing)
  t.match(await failure(laptop.devices.rekey()), { kind: 'refused', code: 'too-many-statements' })
  await laptop.devices.revoke(phoneId)
  t.equal(statements(server, '/encryption-key').length, 1)
})

t.test('A refusal that is a lie drops nothing: the chain decides', async (t) => {
  const { server, laptop, phone } = await scene(t)
  server.lies.push(async ({ path, honest }) => {
    if (!path.endsWith('/encryption-key')) return undefined
    await honest()
    return problem('forbidden')
  })
  await laptop.devices.rekey()
  server.lies.length = 0
  const { id } = await phone.conversations.createGroup('ops', [])
  await phone.send(id, 'hello')
  const laptops = new Listener(t, laptop)
  await laptops.message('hello')
})

t.test(
  'While the server hides the end of the chain, nothing is signed in the place of a refused statement',
  async (t) => {
    const { server, store, laptop, phoneId } = await scene(t)
    const user = server.requireUser('alice')
    const cut = await user.fork(1)
    let isCut = false
    server.view = () => (isCut ? cut : user)
    server.lies.push(async ({ path, honest }) => {
      if (isCut && path === '/v1/users/alice/chain') return { head: cut.head, sequence: 1 }
      if (!path.endsWith('/revocation')) return undefined
      await honest()
      isCut = true
      return problem('forbidden')
    })
    t.match(await failure(laptop.devices.revoke(phoneId)), { code: 'server-behind' })
    t.match(await failure(laptop.devices.rekey()), { code: 'server-behind' })
    t.equal(statements(server, '/encryption-key').length, 0)
    await laptop.flush()
    await laptop.close()

    server.lies.length = 0
    isCut = false
    const again = await fakeClient(t, server, { store })
    await again.flush()
    t.equal(new Set(statements(server, '/revocation').map(({ text }) => text)).size, 1)
    await again.devices.rekey()
    t.match(await again.devices.list(), [{ status: 'active' }, { id: phoneId, status: 'revoked' }])
  }
)

t.test('When another device was faster, the statement is signed again at the new end', async (t) => {
  const { server, laptop, phone, phoneId } = await scene(t)
  let isFirst = true
  server.lies.push(async ({ path }) => {
    if (!isFirst || !path.endsWith('/revocation')) return undefined
    isFirst = false
    await phone.devices.rekey()
    return undefined
  })
  await laptop.devices.revoke(phoneId)
  t.match(
    statements(server, '/revocation').map(({ text }) => /^sequence (.*)$/m.exec(text)?.[1]),
    ['3', '4']
  )
  t.match(await laptop.devices.list(), [{ status: 'active' }, { status: 'revoked' }])
})

t.test(
  'A revocation that others have overtaken is signed again, whatever this device signs before',
  async (t) => {
    const { server, store, laptop, phone } = await scene(t)
    const tablet = await linkedDevice(t, server, laptop)
    const { deviceId } = tablet.account!
    server.lies.push(({ path }) =>
      path.endsWith('/revocation') ? problem('database-unavailable') : undefined
    )
    t.match(await failure(laptop.devices.revoke(deviceId)), { status: 503 })
    await phone.devices.rekey()
    t.match(await failure(laptop.devices.rekey()), { status: 503 }, 'the revocation comes first')
    server.lies.length = 0
    await laptop.devices.rekey()
    await laptop.close()
    const again = await fakeClient(t, server, { store })
    await again.flush()
    t.match(
      (await again.devices.list()).find(({ id }) => id === deviceId),
      { status: 'revoked' }
    )
    t.strictSame(await store.list('lost-statement/'), [])
  }
)

t.test('Revoking a device names those that it had approved', async (t) => {
  const { laptop, phone, phoneId, server } = await scene(t)
  const tablet = await linkedDevice(t, server, phone)
  const watch = await linkedDevice(t, server, tablet)
  const { approved } = await laptop.devices.revoke(phoneId)
  const ids = [tablet, watch].map(({ account }) => account!.deviceId)
  t.strictSame(approved.map(({ id }) => id).sort(), ids.sort())
  t.strictSame(await laptop.devices.revoke(phoneId), { approved }, 'again: it is gone already')
  t.match(await failure(laptop.devices.revoke(crypto.randomUUID())), { code: 'device-not-found' })
})

t.test('A device that revokes itself is logged out', async (t) => {
  const { server, laptop, phone, phoneId } = await scene(t)
  await phone.devices.revoke(phoneId)
  t.match(phone.account, { loggedIn: false })
  t.match(await laptop.devices.list(), [{ status: 'active' }, { status: 'revoked' }])
  const result = await phone.login({ username: 'alice', password: PASSWORD, asNewDevice: true })
  t.equal(result.status, 'pending', 'it is another device now')
  t.not(result.deviceId, phoneId)
  t.equal(server.requireUser('alice').statements.length, 3)
})

t.test('A log-in that says that the device is unknown destroys no keys', async (t) => {
  const { server, store, laptop } = await scene(t)
  const { deviceId } = laptop.account!
  await laptop.logout()
  const denying: Lie = ({ path, body }) =>
    path.endsWith('/login') && body.deviceId !== undefined ? problem('device-not-found') : undefined
  server.lies.push(denying)
  t.match(await failure(laptop.login({ username: 'alice', password: PASSWORD })), {
    kind: 'untrusted',
    code: 'forgotten-device'
  })
  server.lies.length = 0
  const again = await fakeClient(t, server, { store })
  t.match(await again.login({ username: 'alice', password: PASSWORD }), { status: 'active', deviceId })
})

t.test('A log-in as a new device destroys the keys of one that the chain has retired', async (t) => {
  const { server, laptop } = await scene(t)
  const store = new MemoryStore()
  const tablet = await linkedDevice(t, server, laptop, { store })
  const { deviceId } = tablet.account!
  const before = (await store.get<DeviceKeys>('device'))!
  await laptop.devices.revoke(deviceId)
  t.match(await failure(tablet.devices.list()), { kind: 'logged-out' })
  t.ok(await holds(store, before.signing.privateKey), 'an ended session destroys nothing')
  const who = { username: 'alice', password: PASSWORD }
  t.match(await failure(tablet.login(who)), { kind: 'untrusted', code: 'revoked' })
  t.match(tablet.account, { deviceId, loggedIn: false })
  t.ok(await holds(store, before.signing.privateKey), 'nor does a log-in')
  const kept = await store.list('key/')
  const result = await tablet.login({ ...who, asNewDevice: true })
  t.match(result, { status: 'pending' })
  t.strictSame(await store.list('key/'), kept, 'what it could read, it can read')
  t.not(result.deviceId, deviceId)
  for (const key of [before.signing.privateKey, before.encryption.privateKey, before.kem.sealingKey])
    t.notOk(await holds(store, key))
})

t.test('A log-in as a new device gives up none that the chain has', async (t) => {
  const { laptop } = await scene(t)
  const { deviceId } = laptop.account!
  const who = { username: 'alice', password: PASSWORD, asNewDevice: true }
  t.match(await laptop.login(who), { status: 'active', deviceId })
})

t.test('A new device that another process has begun is not given up for the old one', async (t) => {
  const { server, laptop } = await scene(t)
  const store = new MemoryStore()
  const tablet = await linkedDevice(t, server, laptop, { store })
  const other = await fakeClient(t, server, { store })
  await laptop.devices.revoke(tablet.account!.deviceId)
  const who = { username: 'alice', password: PASSWORD, asNewDevice: true }
  const { deviceId } = await tablet.login(who)
  t.match(await other.login(who), { status: 'pending', deviceId })
})

t.test('A reset takes the place of an active device only when the chain has it', async (t) => {
  const { server, laptop, phone } = await scene(t)
  const { deviceId, fingerprint } = laptop.account!
  const lie: Lie = ({ method, path }) =>
    method === 'POST' && path === '/v1/devices'
      ? { device: server.requireUser('alice').list()[0] }
      : undefined
  server.lies.push(lie)
  const credentials = { username: 'alice', password: PASSWORD }
  t.match(await failure(laptop.devices.reset(credentials)), { code: 'ignored-statement' })
  t.match(laptop.account, { deviceId, fingerprint }, 'the old keys are still there')
  server.lies.length = 0
  await laptop.devices.reset(credentials)
  t.not(laptop.account!.deviceId, deviceId)
  t.match(await laptop.users.get('alice'), { root: laptop.account!.fingerprint })
  await eventually(async () => (await failure(phone.contacts.safetyNumber('bob'))).kind !== 'usage')
})

t.test('A reset that was interrupted ends with the next flush, and is no attack', async (t) => {
  const server = new FakeServer()
  const store = new MemoryStore()
  const alice = await fakeUser(t, server, 'alice', { store })
  const before = alice.account!
  const who = { username: 'alice', password: PASSWORD }
  server.lies.push(({ method, path }) =>
    method === 'POST' && path === '/v1/devices' ? noAnswer() : undefined
  )
  t.match(await failure(alice.devices.reset(who)), { code: 'overloaded' })
  const unfinished = { kind: 'logged-out', hint: /log in/i }
  t.match(await failure(alice.conversations.list()), unfinished, 'the next call says what to do')
  server.lies.length = 0
  await alice.flush().catch((error: unknown) => t.match(error, unfinished))
  t.not(alice.account!.fingerprint, before.fingerprint)
  t.equal(server.requireUser('alice').root, alice.account!.fingerprint)
  t.strictSame(alice.noticed(), [])
  t.match(await alice.login(who), { status: 'active', deviceId: alice.account!.deviceId })
  await alice.close()

  const again = await fakeClient(t, server, { store })
  const heard = new Listener(t, again)
  await heard.first('connected')
  await again.conversations.createGroup('begun again', [])
  await heard.first('message')
  t.notOk(heard.heard.some(({ type }) => type === 'untrusted'))
})

t.test('A device that resets tells its own person of no attack', async (t) => {
  const { laptop, server } = await scene(t)
  const heard = new Listener(t, laptop)
  await heard.first('connected')
  await laptop.devices.reset({ username: 'alice', password: PASSWORD })
  server.log.keepAlive('alice')
  await laptop.conversations.createGroup('begun again', [])
  t.strictSame(laptop.noticed(), [])
  t.notOk(heard.heard.some(({ type }) => type === 'untrusted'))
})

t.test('A device that resets while it waits for approval waits for nobody any more', async (t) => {
  const { server } = await scene(t)
  await fakeUser(t, server, 'bob')
  const tablet = await fakeClient(t, server)
  const who = { username: 'alice', password: PASSWORD }
  t.match(await tablet.login(who), { status: 'pending' })
  await tablet.users.get('bob')
  t.ok(await tablet.contacts.isWaiting())
  await tablet.devices.reset(who)
  t.notOk(await tablet.contacts.isWaiting())
  await tablet.contacts.verify('bob', await tablet.contacts.safetyNumber('bob'))
})
