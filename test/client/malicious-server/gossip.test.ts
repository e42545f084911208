import t from 'tap'
import { failure } from '../../support/chat-clients.js'
import { fakeClient } from '../../support/fake-clients.js'
import { hasWrappedFor, hijack, outcome, scene } from '../../support/malicious-server.js'
import { TIME } from '../../support/fake-user.js'
import { puppetMessage } from '../../support/puppet-conversation.js'

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
    t.match(await store.get(`proof/${talk.id}`), { items: [{ text: /conversation-key/, signatures: {} }] })
    server.view = (username) => server.users.get(username)
    await again.send(talk.id, 'to all')
    t.notOk(hasWrappedFor(server, phone.id))
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
  t.equal(await outcome(bob.send(talk.id, 'to whom?')), 'forbidden-statement')
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
