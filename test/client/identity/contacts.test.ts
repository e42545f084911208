import t from 'tap'
import { MemoryStore } from '../../../src/client/stores/memory.js'
import { failure, Listener } from '../../support/chat-clients.js'
import { eventually } from '../../support/eventually.js'
import { fakeClient, fakeUser, linkedDevice } from '../../support/fake-clients.js'
import { FakeServer } from '../../support/fake-server.js'
import type { FakeUser } from '../../support/fake-user.js'
import { puppetDevice, reset } from '../../support/puppet.js'

/** The server alone puts an identity of its own in a user's place, and tells nobody. */
async function replaced(user: FakeUser): Promise<string> {
  const device = await puppetDevice()
  await reset(user, device)
  return device.signing.fingerprint
}

t.test('Both users see the same safety number', async (t) => {
  const server = new FakeServer()
  const [alice, bob] = [await fakeUser(t, server, 'alice'), await fakeUser(t, server, 'bob')]
  const number = await alice.contacts.safetyNumber('bob')
  t.equal(await bob.contacts.safetyNumber('Alice'), number)
  t.match(await bob.contacts.list(), [{ username: 'alice', status: 'unverified' }])
  await bob.contacts.verify('alice', number.replaceAll(' ', ''))
  t.match(await bob.contacts.get('alice'), { status: 'verified' })
  for (const name of ['alice', 'ALICE'])
    t.match(await failure(alice.contacts.safetyNumber(name)), { code: 'own-username' })
})

t.test('Safety numbers are never equal while the server stands in the place of one side', async (t) => {
  const server = new FakeServer()
  const [alice, bob] = [await fakeUser(t, server, 'alice'), await fakeUser(t, server, 'bob')]
  const before = await alice.contacts.safetyNumber('bob')
  await replaced(server.requireUser('alice'))
  const shown = await bob.contacts.safetyNumber('alice')
  t.not(shown, before)
  t.match(await failure(alice.contacts.safetyNumber('bob')), { kind: 'untrusted', code: 'displaced' })
  t.match(await failure(alice.contacts.verify('bob', shown)), { code: 'displaced' })
})

t.test('A user is verified by the number that was compared, and by no other', async (t) => {
  const server = new FakeServer()
  const bob = await fakeUser(t, server, 'bob')
  const alice = await server.puppet('alice')
  const number = await bob.contacts.safetyNumber('alice')
  t.match(await failure(bob.contacts.verify('alice', '')), { code: 'malformed-number' })
  t.match(await failure(bob.contacts.verify('alice', number.slice(1))), { code: 'malformed-number' })
  // The identity changes while the two compare.
  await replaced(alice.user)
  await bob.users.get('alice')
  t.match(await failure(bob.contacts.verify('alice', number)), { code: 'other-safety-number' })
  t.match(await bob.contacts.get('alice'), { status: 'changed', wasVerified: false })
})

t.test('A new identity is accepted by the root that was announced, and by no other', async (t) => {
  const server = new FakeServer()
  const bob = await fakeUser(t, server, 'bob')
  const alice = await server.puppet('alice')
  await bob.contacts.verify('alice', await bob.contacts.safetyNumber('alice'))
  const root = await replaced(alice.user)
  t.match(await bob.contacts.get('alice'), { status: 'changed', wasVerified: true, root })
  const again = await replaced(alice.user)
  t.match(await failure(bob.contacts.accept('alice', { root })), { kind: 'usage', code: 'other-root' })
  t.match(await bob.contacts.get('alice'), { status: 'changed', root: again })
  await bob.contacts.accept('alice', { root: again })
  t.match(await bob.contacts.get('alice'), { status: 'unverified', root: again })
})

t.test('A new identity is told once, whether or not the server announces it', async (t) => {
  const server = new FakeServer()
  const store = new MemoryStore()
  const bob = await fakeUser(t, server, 'bob', { store })
  const [alice, carol] = [await server.puppet('alice'), await server.puppet('carol')]
  await bob.users.get('carol')
  await bob.contacts.verify('alice', await bob.contacts.safetyNumber('alice'))
  const bobs = new Listener(t, bob)
  await bobs.first('connected')

  await alice.reset()
  await bob.users.get('alice')
  // An old statement of Carol's chain is announced: the reset comes along.
  await carol.reset()
  announce(carol.user, 1)
  await alice.add()
  await bob.users.get('alice')
  announce(carol.user, 2)
  await eventually(() => changes(bobs).length === 2)
  t.match(changes(bobs), [
    { username: 'alice', root: alice.user.root, wasVerified: true },
    { username: 'carol', root: carol.user.root, wasVerified: false }
  ])
  await bobs.stop()
  await bob.close()

  const again = new Listener(t, await fakeClient(t, server, { store }))
  await again.first('connected')
  await alice.rekey()
  announce(alice.user, 4)
  await again.first('device-changed', (event) => event.change === 'rekeyed')
  t.strictSame(changes(again), [])

  function announce({ id: userId, username, statements }: FakeUser, sequence: number): void {
    const statement = statements[sequence - 1]!
    server.log.append(['bob'], 'device.chain', { userId, username, sequence, statement })
  }
})

/** The changes of identities that were heard, by username. */
function changes(listener: Listener) {
  const heard = listener.heard.filter((event) => event.type === 'identity-changed')
  return heard.sort((one, other) => (one.username < other.username ? -1 : 1))
}

t.test(
  'A new identity that was accepted before a stream has shown it is not announced any more',
  async (t) => {
    const server = new FakeServer()
    const store = new MemoryStore()
    const bob = await fakeUser(t, server, 'bob', { store })
    const alice = await server.puppet('alice')
    await bob.users.get('alice')
    const root = await replaced(alice.user)
    await bob.users.get('alice')
    t.match(bob.noticed(), [{ type: 'identity-changed', username: 'alice', root }])
    await bob.contacts.accept('alice', { root })
    await bob.close()

    const again = await fakeClient(t, server, { store })
    const heard = new Listener(t, again)
    await heard.first('connected')
    const next = await replaced(alice.user)
    await again.users.get('alice')
    server.log.keepAlive('bob')
    t.match(await heard.first('identity-changed'), { root: next }, 'only the one after it')
  }
)

t.test('A user of whom only another own device has told is a contact, too', async (t) => {
  const server = new FakeServer()
  const laptop = await fakeUser(t, server, 'bob')
  const alice = await server.puppet('alice')
  const phone = await linkedDevice(t, server, laptop)
  await phone.flush()
  const heard = new Listener(t, phone)
  await heard.first('connected')
  await laptop.contacts.verify('alice', await laptop.contacts.safetyNumber('alice'))
  await eventually(async () => (await phone.contacts.list()).length === 1)
  t.strictSame(await phone.contacts.list(), [
    { username: 'alice', root: alice.user.root, status: 'verified' }
  ])
})
