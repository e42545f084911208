import t from 'tap'
import { failure, PASSWORD } from '../../support/chat-clients.js'
import { fakeClient, fakeUser } from '../../support/fake-clients.js'
import { FakeServer } from '../../support/fake-server.js'
import { FakeUser } from '../../support/fake-user.js'
import { binding, nextPlace, publicKeys, puppetDevice } from '../../support/puppet.js'

t.test('A password is the same in each form of Unicode', async (t) => {
  const server = new FakeServer()
  const composed = 'caf\u00e9 \u2460 \ufb01sh pie'
  const decomposed = 'cafe\u0301 1 fish pie'
  const alice = await fakeClient(t, server)
  await alice.register({ username: 'alice', password: composed })
  await alice.logout()
  t.match(await alice.login({ username: 'alice', password: decomposed }), { status: 'active' })
  t.equal(server.requireUser('alice').password, decomposed.normalize('NFC'))
  t.match(await failure(alice.devices.reset({ username: 'alice', password: 'another one' })), {
    code: 'invalid-credentials'
  })
  await alice.devices.reset({ username: 'alice', password: composed })
})

t.test('An account is made only if the chain has this device first', async (t) => {
  const server = new FakeServer()
  const evil = await puppetDevice()
  const falseAlice = new FakeUser('alice')
  await falseAlice.append(await binding('device-add', nextPlace(falseAlice), evil), publicKeys(evil))
  server.view = (username) => (username === 'alice' ? falseAlice : server.users.get(username))
  const alice = await fakeClient(t, server)
  t.match(await failure(alice.register({ username: 'alice', password: PASSWORD })), {
    kind: 'untrusted',
    code: 'swapped-key'
  })
  t.equal(alice.account, null)
  t.match(await failure(alice.conversations.createGroup('ops', [])), { code: 'no-account' })
})

t.test('The chain says which devices there are', async (t) => {
  const server = new FakeServer()
  const alice = await fakeUser(t, server, 'alice')
  const user = server.requireUser('alice')
  const ghost = publicKeys(await puppetDevice())
  server.lies.push(({ path }) =>
    path === '/v1/devices' ? { items: [...user.list(), user.shown(ghost, 'active')], next: null } : undefined
  )
  t.match(await failure(alice.devices.list()), { kind: 'untrusted', code: 'ghost-device' })
  server.lies.length = 0
  server.lies.push(({ path }) =>
    path === '/v1/devices'
      ? { items: user.list().map((one) => ({ ...one, status: 'revoked' })), next: null }
      : undefined
  )
  t.match(await alice.devices.list(), [{ status: 'active', purpose: 'chat', current: true }])
  server.lies.length = 0
  server.lies.push(({ path }) => (path === '/v1/devices' ? { items: [], next: null } : undefined))
  t.match(await alice.devices.list(), [{ id: alice.account!.deviceId, status: 'active', name: '' }])
})
