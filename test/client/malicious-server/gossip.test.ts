import t from 'tap'
import { failure, Listener, PASSWORD } from '../../support/chat-clients.js'
import { fakeClient, fakeUser, linkedDevice } from '../../support/fake-clients.js'
import { hasWrappedFor, hijack, outcome, scene, told } from '../../support/malicious-server.js'
import { eventually } from '../../support/eventually.js'
import { FakeServer } from '../../support/fake-server.js'
import { TIME } from '../../support/fake-user.js'
import { Puppet } from '../../support/puppet.js'
import { puppetMessage } from '../../support/puppet-conversation.js'
import { puppetTalk } from '../../support/puppet-talk.js'

/** Bob has spoken in a group of Alice's with Carol, whose chain the server shows to Bob as it was then. */
async function group() {
  const all = await scene(t, ['alice', 'carol'])
  await all.bob.send(all.talk.id, 'hello')
  const shown = await all.carol.user.fork(1)
  return { ...all, shown }
}

t.test(
  'A session key that names a later statement of a user’s chain is not taken until it is shown',
  async (t) => {
    const { server, bob, talk, alice, carol, shown, store, listen } = await group()
    const heard = await listen()
    const phone = await carol.add()
    await carol.revoke(phone.id)
    server.view = (username) => (username === 'carol' ? shown : server.users.get(username))
    await talk.change([], alice.device)
    const { error } = await heard.first('untrusted')
    t.match(error, { code: 'withheld-chain', message: /carol.*alice/ })
    server.seen.length = 0
    t.equal(await outcome(bob.send(talk.id, 'to whom?')), 'withheld-chain')
    await bob.close()
    const again = await fakeClient(t, server, { store })
    t.equal(await outcome(again.send(talk.id, 'to whom?')), 'withheld-chain')
    t.notOk(server.seen.some(({ path }) => path.endsWith('/messages')))
    const whole = talk.conversation
    server.conversations.set(talk.id, await whole.fork(1, server.users))
    t.equal(await outcome(again.send(talk.id, 'to whom?')), 'withheld-chain', 'though the key is hidden now')
    server.conversations.set(talk.id, whole)
    t.match(await store.list(`proof/${talk.id}/`), [
      [String, { items: [{ text: /conversation-key/, signatures: {} }] }]
    ])
    server.view = (username) => server.users.get(username)
    await again.send(talk.id, 'to all')
    t.notOk(hasWrappedFor(server, phone.id))
  }
)

t.test(
  'A key that was refused stays a proof beside others, until the chain has it or is accepted',
  async (t) => {
    const { server, bob, store, talk, alice, carol, dave, user, listen } = await scene(t, [
      'alice',
      'carol',
      'dave'
    ])
    const laptop = carol.device
    const phone = await carol.add()
    const heard = await listen()
    await bob.contacts.get('carol')
    await bob.send(talk.id, 'hello')
    const shown = { carol: await carol.user.fork(2), dave: await dave.user.fork(1) }
    const hidden = new Map(Object.entries(shown))
    server.view = (name, { username }) =>
      (username === 'bob' ? hidden.get(name) : undefined) ?? server.users.get(name)
    await carol.revoke(laptop.id, phone)
    const before = talk.conversation
    const other = await before.fork(before.requests, server.users)
    await talk.change([], alice.device)
    await heard.first('untrusted', ({ error }) => /carol.*alice/.test(error.message))

    // Dave, from whom the revocation is hidden too, has a tablet. The server puts Dave's key in the place of Alice's.
    await dave.add()
    server.conversations.set(talk.id, other)
    talk.conversation = other
    const state = [{ username: 'dave', sequence: 2, head: dave.user.head }]
    const members = [alice.user, shown.carol, dave.user, user]
    await talk.change([], dave.device, { state, members })
    await heard.first('untrusted', ({ error }) => /dave.*dave/.test(error.message))
    t.equal(await outcome(bob.send(talk.id, 'to whom?')), 'withheld-chain')
    t.equal((await store.list(`proof/${talk.id}/`)).length, 2)
    hidden.delete('dave')
    server.seen.length = 0
    t.match(await failure(bob.send(talk.id, 'to whom?')), { code: 'forked-chain', message: /carol.*alice/ })
    await bob.close()
    const again = await fakeClient(t, server, { store })
    t.equal(await outcome(again.send(talk.id, 'to whom?')), 'forked-chain', 'after a restart')
    hidden.clear()
    const { heads } = await failure(again.send(talk.id, 'to whom?'))
    t.notOk(server.seen.some(({ method, path }) => method === 'POST' && path.includes(talk.id)))
    await again.conversations.accept(talk.id, heads!.served)
    await again.send(talk.id, 'as the person says')
    t.notOk(hasWrappedFor(server, laptop.id))
    t.strictSame(await store.list('proof/'), [])
  }
)

t.test(
  'Keys that name what does not exist fill no store, and block until the chain is accepted',
  async (t) => {
    const { server, bob, store, talk, mallory, listen } = await scene(t, ['alice', 'mallory'])
    await bob.send(talk.id, 'hello')
    const heard = await listen()
    for (let count = 1; count <= 20; count++) {
      const state = [{ username: 'alice', sequence: 1 + count, head: 'ab'.repeat(32) }]
      talk.announce(await talk.sign([], mallory.device, { state }))
    }
    await talk.say(mallory, 'all of it', 1)
    await heard.message('all of it')
    t.equal((await store.list(`proof/${talk.id}/`)).length, 16)
    server.seen.length = 0
    t.equal(await outcome(bob.send(talk.id, 'to whom?')), 'withheld-chain')
    t.notOk(server.seen.some(({ path }) => path.endsWith('/messages')))
    await bob.conversations.accept(talk.id, talk.conversation.head)
    t.equal(await outcome(bob.send(talk.id, 'to all')), 'done')
    t.strictSame(await store.list('proof/'), [])
  }
)

t.test(
  'A session key that names another statement of a user’s chain is a fork, and names its maker',
  async (t) => {
    const { server, bob, talk, alice, carol, shown, listen } = await group()
    const heard = await listen()
    const evil = await hijack(shown)
    await carol.add()
    server.view = (username) => (username === 'carol' ? shown : server.users.get(username))
    await bob.contacts.get('carol')
    await talk.change([], alice.device)
    const { error } = await heard.first('untrusted')
    t.match(error, { code: 'forked-chain', message: /carol.*alice/ })
    server.seen.length = 0
    t.equal(await outcome(bob.send(talk.id, 'to whom?')), 'forked-chain')
    t.notOk(hasWrappedFor(server, evil.id))
    t.notOk(server.seen.some(({ path }) => path.endsWith('/messages')))
  }
)

t.test('A session key that names a statement of this user’s own chain makes the guard look', async (t) => {
  for (const isShown of [true, false]) {
    const { server, bob, talk, alice, user, listen } = await group()
    const heard = await listen()
    const own = await user.fork(1)
    if (!isShown) server.view = (username) => (username === 'bob' ? own : server.users.get(username))
    const evil = await hijack(user)
    await talk.change([], alice.device)
    const { error } = await heard.first('untrusted')
    t.equal(error.code, isShown ? 'displaced' : 'withheld-chain')
    server.seen.length = 0
    t.equal(await outcome(bob.send(talk.id, 'to whom?')), isShown ? 'displaced' : 'withheld-chain')
    t.notOk(hasWrappedFor(server, evil.id))
  }
})

t.test('The state of a session key does not go back, and no member is left out of it', async (t) => {
  const { bob, talk, alice, carol, mallory } = await scene(t, ['alice', 'carol', 'mallory'])
  await bob.send(talk.id, 'hello')
  const phone = await carol.add()
  await carol.revoke(phone.id)
  await talk.change([], alice.device)
  await bob.conversations.get(talk.id)
  const [first] = carol.user.history!.hashes
  const state = [{ username: 'carol', sequence: 1, head: first! }]
  await talk.show(await talk.sign([], mallory.device, { state }))
  t.match(await failure(bob.conversations.get(talk.id)), {
    code: 'forbidden-statement',
    message: /goes back/
  })
  t.equal(await outcome(bob.send(talk.id, 'to whom?')), 'forbidden-statement')
})

t.test('A device that a session key knows as retired signs nothing more, for newcomers too', async (t) => {
  const { bob, talk, alice, carol } = await scene(t, ['alice', 'carol'])
  const laptop = carol.device
  await carol.revoke(laptop.id, await carol.add())
  await talk.change([], alice.device)
  await talk.show(await talk.sign([], laptop))
  t.equal(await outcome(bob.conversations.get(talk.id)), 'forbidden-statement')
  // Since the first look it is known where the chain had ended for the device.
  t.equal(await outcome(bob.send(talk.id, 'to whom?')), 'after-revocation')
})

t.test('A message under a key that the chain lacks shows the fork, and both heads', async (t) => {
  const { server, bob, talk, alice, carol, listen } = await scene(t, ['alice', 'carol'])
  await bob.send(talk.id, 'hello')
  const heard = await listen()
  const shown = talk.conversation
  const other = await shown.fork(2, server.users)
  talk.conversation = other
  const key = await talk.sign([], alice.device)
  await other.append([], key.request.key, server.users)
  talk.conversation = shown
  await talk.say(alice, 'in another world', 1, { key })
  const { error } = await heard.first('unreadable')
  t.match(error, { code: 'forked-chain', heads: { known: shown.head, served: key.hash } })
  t.match(error.message, /alice/)
  const forged = await puppetMessage(shown, key, carol.device, {
    type: 'text',
    text: 'forged',
    n: 2,
    sentAt: TIME
  })
  talk.stream(talk.serve(alice, forged))
  await heard.first('unreadable', (event) => event.error.code === 'bad-signature')
})

t.test('A fork is told as soon as a message shows it, once, whichever process tells it', async (t) => {
  const { server, bob, talk, alice, store } = await scene(t, ['alice', 'carol'])
  await bob.send(talk.id, 'hello')
  const shown = talk.conversation
  talk.conversation = await shown.fork(2, server.users)
  const key = await talk.sign([], alice.device)
  talk.conversation = shown
  for (const n of [1, 2]) await talk.say(alice, 'in another world', n, { key })
  t.strictSame((await told(bob, talk.id)).slice(1), ['forked-chain', 'forked-chain'])
  const alarm = {
    type: 'untrusted',
    conversationId: talk.id,
    error: { code: 'forked-chain', heads: { known: shown.head, served: key.hash } }
  }
  t.match(bob.noticed(), [alarm])
  await bob.close()
  for (const isFirst of [true, false]) {
    const again = await fakeClient(t, server, { store })
    const heard = new Listener(t, again)
    await heard.first('connected')
    const text = `heard ${isFirst}`
    await talk.say(alice, text, isFirst ? 3 : 4)
    await heard.message(text)
    const alarms = heard.heard.filter(({ type }) => type === 'untrusted')
    if (isFirst) t.match(alarms, [alarm])
    else t.strictSame(alarms, [])
    await again.close()
  }
})

t.test('Heads of a conversation that do not fit are told when the second comes', async (t) => {
  const { server, bob, talk, alice, carol, user, listen } = await scene(t, ['alice', 'carol'])
  const direct = await puppetTalk(server, 'direct', [[alice.user], [user]], alice)
  await bob.send(talk.id, 'hello')
  const heard = await listen()
  const say = (sequence: number, head: string) =>
    direct.say(alice, { type: 'welcome', conversation: talk.id, sequence, head }, sequence)
  await say(1, talk.conversation.history.hashAt(1)!)
  const { sequence, head } = talk.conversation.chain
  await say(sequence, 'ab'.repeat(32))
  const heads = { known: head, served: 'ab'.repeat(32) }
  const { error } = await heard.first('untrusted')
  t.match(error, { code: 'forked-chain', heads, message: /alice/ })
  t.equal(await outcome(bob.send(talk.id, 'to whom?')), 'forked-chain')

  // The person takes the chain. A head that lies ahead is compared when the chain gets there.
  await bob.conversations.accept(talk.id, head)
  await say(sequence + 1, 'cd'.repeat(32))
  await heard.first('message', ({ content }) => content.type === 'welcome' && content.sequence > sequence)
  t.equal(heard.heard.filter(({ type }) => type === 'untrusted').length, 1)
  await talk.change([], carol.device)
  await heard.first('untrusted', (event) => event.error.heads?.served === 'cd'.repeat(32))
})

t.test('Another own device that was shown another chain of a user is heard at once', async (t) => {
  const { server, bob, alice, talk, listen } = await scene(t, ['alice', 'carol'])
  const phone = await linkedDevice(t, server, bob)
  await phone.flush()
  const truth = alice.user
  const other = await truth.fork(1)
  server.view = (username, { deviceId }) =>
    username === 'alice' && deviceId === phone.account!.deviceId ? other : server.users.get(username)
  for (const one of [truth, other]) await new Puppet(one, alice.device).add()
  await bob.users.get('alice')
  const heard = await listen()
  await phone.contacts.verify('alice', await phone.contacts.safetyNumber('alice'))
  const { error, username } = await heard.first('untrusted')
  t.match(error, { code: 'forked-chain', heads: { known: truth.head, served: other.head } })
  t.equal(username, 'alice')
  t.ok(error.message.includes(phone.account!.deviceId), 'it says whose word it is')
  t.ok(talk.id)
})

t.test('A welcome counts by a user of any name, also one that every object inherits', async (t) => {
  for (const name of ['anna', 'constructor']) {
    const server = new FakeServer()
    const bob = await fakeUser(t, server, 'bob')
    const user = server.requireUser('bob')
    const [adder, mallory] = [await server.puppet(name), await server.puppet('mallory')]
    const direct = await puppetTalk(server, 'direct', [[adder.user], [user]], adder)
    await told(bob, direct.id)
    const members = [
      [adder.user, 'admin'],
      [mallory.user, 'admin']
    ] as const
    const talk = await puppetTalk(server, 'group', members, adder)
    const heard = new Listener(t, bob)
    await heard.first('connected')
    const head = 'ab'.repeat(32)
    await direct.say(adder, { type: 'welcome', conversation: talk.id, sequence: 6, head }, 1)
    await direct.say(adder, 'welcome', 2)
    await heard.message('welcome')
    const member = { username: 'bob', role: 'member', root: user.root } as const
    await talk.change([{ kind: 'conversation-add', member }], mallory.device)
    t.equal(await outcome(bob.send(talk.id, 'to whom?')), 'withheld-chain', name)
  }
})

t.test('A user whose name every object inherits talks as any other', async (t) => {
  const server = new FakeServer()
  const [bob, other] = [await fakeUser(t, server, 'bob'), await fakeUser(t, server, 'constructor')]
  const { id } = await other.conversations.createGroup('ops', ['bob'])
  const heard = new Listener(t, bob)
  await heard.first('connected')
  await other.send(id, 'hello')
  await heard.message('hello')
  await bob.send({ username: 'constructor' }, 'only you')
  await bob.contacts.verify('constructor', await other.contacts.safetyNumber('bob'))
  t.match(await bob.contacts.get('constructor'), { status: 'verified' })
  const phone = await linkedDevice(t, server, bob)
  const self = new Listener(t, phone)
  await self.first('connected')
  await eventually(async () => (await phone.contacts.get('constructor')).status === 'verified')
  await other.devices.reset({ username: 'constructor', password: PASSWORD })
  t.equal(await outcome(bob.send({ username: 'constructor' }, 'still you?')), 'identity-changed')
})

t.test(
  'Nothing is sealed for a newcomer of whom an own device knows more than the server shows',
  async (t) => {
    const { server, bob, store, alice, listen } = await scene(t, ['alice'])
    const laptop = bob.account!.deviceId
    await server.puppet('carol')
    const { id: ops } = await bob.conversations.createGroup('ops', ['carol'])
    await listen()
    const tablet = await linkedDevice(t, server, bob)
    await new Listener(t, tablet).first('connected')
    await eventually(async () => !(await tablet.contacts.isWaiting()))
    const stolen = alice.device
    const phone = await alice.add()
    await bob.contacts.get('alice')
    const before = await alice.user.fork(2)
    server.view = (username, { deviceId }) =>
      username === 'alice' && deviceId === laptop ? before : server.users.get(username)
    await alice.revoke(stolen.id, phone)
    await tablet.contacts.verify('alice', await tablet.contacts.safetyNumber('alice'))
    await tablet.flush()
    server.seen.length = 0
    const calls = [
      () => bob.conversations.add(ops, 'alice'),
      () => bob.conversations.createGroup('new', ['alice', 'carol']),
      () => bob.send({ username: 'alice' }, 'a secret')
    ]
    await eventually(async () => (await store.list('heard-head/alice')).length > 0)
    for (const call of calls) t.equal(await outcome(call()), 'withheld-chain')
    t.notOk(hasWrappedFor(server, stolen.id))
    t.equal(await outcome(bob.send(ops, 'goes on')), 'done')
  }
)
