import t, { type Test } from 'tap'
import type { ChatClient } from '../../../src/client/client.js'
import { MemoryStore } from '../../../src/client/stores/memory.js'
import { failure, Listener, PASSWORD, texts } from '../../support/chat-clients.js'
import { noAnswer } from '../../support/fake-answers.js'
import { fakeClient, fakeUser } from '../../support/fake-clients.js'
import { FakeServer } from '../../support/fake-server.js'
import { hasWrappedFor } from '../../support/malicious-server.js'
import { TIME } from '../../support/fake-user.js'
import { puppetDevice, request, reset } from '../../support/puppet.js'
import { puppetConversation, puppetMessage } from '../../support/puppet-conversation.js'

interface Scene {
  server: FakeServer
  alice: ChatClient
  store: MemoryStore
  /** What Alice's client has posted since the server lied, but for questions. */
  posted: () => string[]
  conversationId: string
}

/** Alice talks with Bob, whom the test plays. */
async function scene(t: Test): Promise<Scene> {
  const server = new FakeServer()
  const store = new MemoryStore()
  const alice = await fakeUser(t, server, 'alice', { store })
  const bob = await server.puppet('bob')
  const { conversation, key } = await puppetConversation(
    server,
    'direct',
    [[server.requireUser('alice')], [bob.user]],
    bob
  )
  await alice.send(conversation.id, 'hello')
  const secret = { type: 'text', text: 'from Bob', n: 1, sentAt: TIME }
  const sealed = await puppetMessage(conversation, key, bob.device, secret)
  conversation.messages.push({
    ...sealed,
    conversationId: conversation.id,
    position: ++server.log.position,
    sender: { userId: bob.user.id, username: 'bob', deviceId: bob.device.id },
    createdAt: TIME
  })
  const posted = () =>
    server.seen
      .filter(({ method, path }) => method !== 'GET' && !/\/(chains|login|logout)$/.test(path))
      .map(({ method, path }) => `${method} ${path}`)
  return { server, alice, store, posted, conversationId: conversation.id }
}

/** All that a device may only do while it stands in its user's chain. */
function acts({ alice, conversationId, server }: Scene): Record<string, () => Promise<unknown>> {
  const waiting = [...server.requireUser('alice').waiting.keys()][0] ?? crypto.randomUUID()
  return {
    approve: () => alice.devices.approve(waiting, { number: '1'.repeat(60) }),
    linkNumber: () => alice.devices.linkNumber(waiting),
    reject: () => alice.devices.reject(waiting),
    revoke: () => alice.devices.revoke(crypto.randomUUID()),
    rekey: () => alice.devices.rekey(),
    backup: () => alice.backup.create(),
    safetyNumber: () => alice.contacts.safetyNumber('bob'),
    verify: () => alice.contacts.verify('bob', '1'.repeat(60)),
    send: () => alice.send(conversationId, 'a secret'),
    seal: () => alice.seal(conversationId, 'a secret'),
    create: () => alice.conversations.createGroup('ops', ['bob'])
  }
}

/** Acts that go by what this device knows: to reject, to compare a number, to seal for devices known before. */
const isLocal = ['reject', 'verify', 'send', 'seal']

/** The server alone puts an identity of its own in Alice's place, with or without an event. */
async function putAside({ server }: Scene, { isTold = true } = {}): Promise<void> {
  const alice = server.requireUser('alice')
  const device = await puppetDevice()
  const statement = await reset(alice, device)
  if (isTold) {
    const { id: userId, username } = alice
    server.log.append(['alice'], 'device.chain', { userId, username, sequence: 2, statement })
  }
  const evil = await puppetDevice()
  alice.waiting.set(evil.id, await request(alice, evil))
}

t.test('A device that the server has put aside shares, seals and signs nothing', async (t) => {
  for (const name of Object.keys(acts(await scene(t)))) {
    if (isLocal.includes(name)) continue
    const at = await scene(t)
    await putAside(at, { isTold: false })
    at.server.seen.length = 0
    t.match(await failure(acts(at)[name]!()), { kind: 'untrusted', code: 'displaced' }, `${name} finds out`)
    t.strictSame(at.posted(), [], name)
  }
})

t.test('A device that the server has put aside says so once, and again after a restart', async (t) => {
  const at = await scene(t)
  const first = new Listener(t, at.alice)
  await first.first('connected')
  await putAside(at)
  t.match(await first.first('untrusted'), { username: 'alice', error: { code: 'displaced' } })
  await putAside(at)
  at.server.log.append(['alice'], 'message', at.server.conversations.get(at.conversationId)!.messages[0]!)
  await failure(at.alice.contacts.safetyNumber('bob'))
  const heard = first.heard.filter((event) => event.type === 'untrusted' && event.error.code === 'displaced')
  t.equal(heard.length, 1)
  t.notOk(
    first.heard.some(({ type }) => type === 'identity-changed'),
    'nobody accepts themselves'
  )
  await first.stop()
  t.match(await failure(at.alice.contacts.accept('alice', { root: at.server.requireUser('alice').root })), {
    code: 'own-username'
  })
  await at.alice.close()
  const again = await fakeClient(t, at.server, { store: at.store })
  t.match(await new Listener(t, again).first('untrusted'), { error: { code: 'displaced' } })
  t.match(await failure(again.send(at.conversationId, 'x')), { code: 'displaced' })
})

t.test('A device that was put aside does nothing that others see, and can read what it has', async (t) => {
  const at = await scene(t)
  await putAside(at)
  for (const [name, act] of Object.entries(acts(at)))
    t.match(await failure(act()), { kind: 'untrusted', code: 'displaced' }, name)
  t.strictSame(await texts(at.alice, at.conversationId), ['hello', 'from Bob'])
})

t.test('A device that was revoked by another one shares, seals and signs nothing', async (t) => {
  const at = await scene(t)
  const alice = at.server.requireUser('alice')
  const own = at.alice.account!.deviceId
  const phone = await fakeClient(t, at.server)
  await phone.login({ username: 'alice', password: PASSWORD })
  const number = await phone.linkNumber()
  await at.alice.devices.approve([...alice.waiting.keys()][0]!, { number })
  await phone.confirmLink(number)
  await phone.waitForApproval()
  at.server.endsSessions = false
  await phone.devices.revoke(own)
  at.server.seen.length = 0
  for (const [name, act] of Object.entries(acts(at)))
    t.match(await failure(act()), { kind: 'untrusted', code: 'revoked' }, name)
  t.strictSame(at.posted(), [])
})

t.test('Another chain of the own user is told, never taken, and nobody is asked to accept it', async (t) => {
  const at = await scene(t)
  const alice = at.server.requireUser('alice')
  const { head } = await at.alice.users.get('alice')
  await at.alice.devices.rekey()
  // The server shows another statement in the place of the rekey.
  await alice.restore(1)
  await reset(alice, await puppetDevice())
  const listener = new Listener(t, at.alice)
  await listener.first('connected')
  at.server.seen.length = 0
  for (const act of [() => at.alice.devices.rekey(), () => at.alice.contacts.safetyNumber('bob')]) {
    const error = await failure(act())
    t.match(error, { kind: 'untrusted', code: 'forked-chain', heads: { served: alice.head } })
    t.notMatch(error.hint, /accept/i)
  }
  t.match(await failure(at.alice.users.accept('alice', alice.head)), { code: 'own-username' })
  t.strictSame(at.posted(), [])
  at.server.log.keepAlive('alice')
  t.match(await listener.first('untrusted'), { username: 'alice', error: { code: 'forked-chain' } })
  t.not(head, alice.head)
})

t.test('A person whose own chain was forked can begin again on the one that the server shows', async (t) => {
  const at = await scene(t)
  const alice = at.server.requireUser('alice')
  await at.alice.devices.rekey()
  await alice.restore(1)
  const evil = await puppetDevice()
  await reset(alice, evil)
  const who = { username: 'alice', password: PASSWORD }
  t.match(await failure(at.alice.contacts.safetyNumber('bob')), { code: 'forked-chain' })
  at.server.lies.push(({ method, path }) =>
    method === 'POST' && path === '/v1/devices' ? noAnswer() : undefined
  )
  t.match(await failure(at.alice.devices.reset(who)), { code: 'overloaded' })
  t.match(
    await failure(at.alice.users.get('alice')),
    { code: 'forked-chain' },
    'nothing is taken without a reset'
  )
  at.server.lies.length = 0
  const { fingerprint, status } = await at.alice.devices.reset(who)
  t.equal(status, 'active')
  t.equal(alice.root, fingerprint)
  t.strictSame([...alice.history!.chain.devices.keys()], [at.alice.account!.deviceId])
  const { id } = await at.alice.conversations.createGroup('begun again', ['bob'])
  await at.alice.send(id, 'it is me')
  t.notOk(hasWrappedFor(at.server, evil.id))
  at.server.log.keepAlive('alice')
  t.match(await at.alice.users.get('alice'), { root: fingerprint })
})
