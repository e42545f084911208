import t from 'tap'
import { ChatClient } from '../../src/client/client.js'
import { MemoryStore } from '../../src/client/memory-store.js'
import { client, failure, Listener, PASSWORD, registered, texts } from '../support/chat-clients.js'
import { startChat } from '../support/start-chat.js'

t.test('Two users talk, and each reads what the other said, live and later', async (t) => {
  const { url } = await startChat(t)
  const alice = await registered(t, url, 'alice')
  const bob = await registered(t, url, 'Bob')
  t.match(bob.account, { username: 'bob', status: 'active', loggedIn: true })
  const bobs = new Listener(t, bob)
  const alices = new Listener(t, alice)
  await bobs.first('connected')

  const sent = await alice.send({ username: 'bob' }, 'hello')
  const heard = await bobs.message('hello')
  t.match(heard, { id: sent.id, position: sent.position, n: 1, own: false, from: { username: 'alice' } })
  t.match(await bobs.first('conversation'), { conversation: { kind: 'direct', title: 'alice' } })
  await bob.send({ username: 'alice' }, { type: 'text', text: 'hello yourself', ref: heard.id })
  t.match(await alices.message('hello yourself'), { content: { ref: sent.id }, n: 1 })
  t.strictSame(await texts(alice, sent.conversationId), ['hello', 'hello yourself'])
  t.strictSame(await texts(bob, sent.conversationId), ['hello', 'hello yourself'])
  t.equal(await alice.contacts.safetyNumber('bob'), await bob.contacts.safetyNumber('alice'))
})

t.test('A group has a name, members that come and go, and a title that changes', async (t) => {
  const { url } = await startChat(t)
  const alice = await registered(t, url, 'alice')
  const bob = await registered(t, url, 'bob')
  const carol = await registered(t, url, 'carol')
  const carols = new Listener(t, carol)
  await carols.first('connected')
  const { id } = await alice.conversations.createGroup('Lunch', ['bob'])
  await bob.send(id, 'before carol')
  await alice.conversations.add(id, 'carol')
  await bob.send(id, 'with carol')
  await carols.message('with carol')
  t.strictSame(await texts(carol, id), ['with carol'])
  await alice.conversations.rename(id, 'Dinner')
  await carols.first('message', ({ content }) => content.type === 'title')
  t.match(await carol.conversations.get(id), { kind: 'group', title: 'Dinner', joined: true })
  await alice.conversations.remove(id, 'bob')
  await carol.send(id, 'without bob')
  t.match(await failure(bob.send(id, 'let me in')), { kind: 'refused', code: 'conversation-not-found' })
  t.match(await carols.first('members', ({ change }) => change === 'removed'), {
    username: 'bob',
    by: 'alice'
  })
  await carol.conversations.leave(id)
  t.match(await carol.conversations.get(id), { joined: false })
  t.strictSame(await texts(alice, id), ['message', 'before carol', 'with carol', 'message', 'without bob'])
})

t.test('A client that starts again on its store goes on where it was', async (t) => {
  const { url } = await startChat(t)
  const store = new MemoryStore()
  const alice = await registered(t, url, 'alice', { store })
  const bob = await registered(t, url, 'bob')
  const { conversationId } = await bob.send({ username: 'alice' }, 'one')
  await alice.close()
  const again = await ChatClient.open({ url, store })
  t.teardown(() => again.close())
  t.match(again.account, { username: 'alice', loggedIn: true })
  const listener = new Listener(t, again)
  await listener.message('one')
  await again.send(conversationId, 'two')
  t.strictSame(await texts(bob, conversationId), ['one', 'two'])
})

t.test('Logging out ends the session, logging in begins another on the same device', async (t) => {
  const { url } = await startChat(t)
  const alice = await registered(t, url, 'alice')
  const { deviceId } = alice.account!
  await alice.logout()
  t.match(await failure(alice.conversations.list()), { kind: 'logged-out' })
  t.match(await failure(alice.login({ username: 'alice', password: 'wrong' })), {
    code: 'invalid-credentials'
  })
  t.match(await alice.login({ username: 'alice', password: PASSWORD }), { status: 'active', deviceId })
  t.strictSame(await alice.conversations.list(), [])
  await t.rejects(alice.login({ username: 'bob', password: PASSWORD }), {
    kind: 'usage',
    code: 'other-account'
  })
  await alice.logout({ forget: true })
  t.equal(alice.account, null)
  const other = await client(t, url)
  t.match(await failure(other.send({ username: 'alice' }, 'hi')), { kind: 'usage', code: 'no-account' })
})
