import t from 'tap'
import { ChatClient } from '../../src/client/client.js'
import { MemoryStore } from '../../src/client/stores/memory.js'
import { client, failure, Listener, PASSWORD, registered, texts } from '../support/chat-clients.js'
import { startChat } from '../support/start-chat.js'

const { url } = await startChat(t)

t.test('Two users talk, and each reads what the other said, live and later', async (t) => {
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
  await bob.send(
    { username: 'alice' },
    { type: 'text', text: 'hello yourself', ref: { id: heard.id, digest: heard.digest } }
  )
  t.match(await alices.message('hello yourself'), { content: { ref: { id: sent.id } }, n: 1 })
  t.strictSame(await texts(alice, sent.conversationId), ['hello', 'hello yourself'])
  t.strictSame(await texts(bob, sent.conversationId), ['hello', 'hello yourself'])
  t.equal(await alice.contacts.safetyNumber('bob'), await bob.contacts.safetyNumber('alice'))
})

t.test('A group has a name, members that come and go, and a title that changes', async (t) => {
  const anna = await registered(t, url, 'anna')
  const ben = await registered(t, url, 'ben')
  const cora = await registered(t, url, 'cora')
  const coras = new Listener(t, cora)
  await coras.first('connected')
  const { id } = await anna.conversations.createGroup('Lunch', ['ben'])
  await ben.send(id, 'before cora')
  await anna.conversations.add(id, 'cora')
  await ben.send(id, 'with cora')
  await coras.message('with cora')
  t.strictSame(await texts(cora, id), ['message', 'with cora'])
  await anna.conversations.rename(id, 'Dinner')
  await coras.first('message', ({ content }) => content.type === 'title' && content.text === 'Dinner')
  t.match(await cora.conversations.get(id), { kind: 'group', title: 'Dinner', joined: true })
  await anna.conversations.remove(id, 'ben')
  await cora.send(id, 'without ben')
  t.match(await failure(ben.send(id, 'let me in')), { kind: 'refused', code: 'conversation-not-found' })
  t.match(await coras.first('members', ({ change }) => change === 'removed'), {
    username: 'ben',
    by: 'anna'
  })
  await cora.conversations.leave(id)
  t.match(await cora.conversations.get(id), { joined: false })
  t.strictSame(await texts(anna, id), [
    'message',
    'before cora',
    'message',
    'with cora',
    'message',
    'without ben'
  ])
})

t.test('A client that starts again on its store continues where it was', async (t) => {
  const store = new MemoryStore()
  const adam = await registered(t, url, 'adam', { store })
  const bella = await registered(t, url, 'bella')
  const { conversationId } = await bella.send({ username: 'adam' }, 'one')
  await adam.close()
  const again = await ChatClient.open({ url, store })
  t.teardown(() => again.close())
  t.match(again.account, { username: 'adam', loggedIn: true })
  const listener = new Listener(t, again)
  await listener.message('one')
  await again.send(conversationId, 'two')
  t.strictSame(await texts(bella, conversationId), ['one', 'two'])
})

t.test('Logging out ends the session, logging in starts another on the same device', async (t) => {
  const ada = await registered(t, url, 'ada')
  const { deviceId } = ada.account!
  await ada.logout()
  t.match(await failure(ada.conversations.list()), { kind: 'logged-out' })
  t.match(await failure(ada.login({ username: 'ada', password: 'wrong' })), {
    code: 'invalid-credentials'
  })
  t.match(await ada.login({ username: 'ada', password: PASSWORD }), { status: 'active', deviceId })
  t.strictSame(await ada.conversations.list(), [])
  await t.rejects(ada.login({ username: 'basil', password: PASSWORD }), {
    kind: 'usage',
    code: 'other-account'
  })
  await ada.logout({ forget: true })
  t.equal(ada.account, null)
  const other = await client(t, url)
  t.match(await failure(other.send({ username: 'ada' }, 'hi')), { kind: 'usage', code: 'no-account' })
})
