import t from 'tap'
import { all, registered, texts } from '../../support/chat-clients.js'
import { recordedRequests } from '../../support/recorded-requests.js'
import { startChat } from '../../support/start-chat.js'

const { url } = await startChat(t)

t.test('The session key that comes with a removal takes one read', async (t) => {
  const { fetch, requests } = recordedRequests()
  const alice = await registered(t, url, 'alice')
  const bob = await registered(t, url, 'bob', { fetch })
  await registered(t, url, 'carol')
  const { id } = await alice.conversations.createGroup('Keys', ['bob', 'carol'])
  await alice.conversations.remove(id, 'carol')
  // Bob reads, and so knows the chains.
  await all(bob.history(id))
  await bob.conversations.get(id)
  requests.length = 0
  await bob.send(id, 'first')
  t.strictSame(withoutIds(requests), ['GET key', 'POST messages'])
  requests.length = 0
  await bob.send(id, 'second')
  t.strictSame(requests, ['POST messages'], 'the next message takes no other request')
  t.strictSame(await texts(alice, id), ['message', 'first', 'second'])
})

t.test('A session key of another member is adopted with one read', async (t) => {
  const { fetch, requests } = recordedRequests()
  const dora = await registered(t, url, 'dora')
  const emil = await registered(t, url, 'emil', { fetch })
  const { conversationId } = await dora.send({ username: 'emil' }, 'hello')
  await emil.conversations.get(conversationId)
  requests.length = 0
  await emil.send(conversationId, 'hello yourself')
  t.strictSame(withoutIds(requests), ['GET key', 'POST messages'])
})

t.test('Only a refused message makes a client fetch the chain', async (t) => {
  const { fetch, requests } = recordedRequests()
  const fred = await registered(t, url, 'fred')
  const gwen = await registered(t, url, 'gwen', { fetch })
  await registered(t, url, 'hans')
  const { id } = await fred.conversations.createGroup('Chain', ['gwen', 'hans'])
  await gwen.send(id, 'all of us')
  await fred.conversations.remove(id, 'hans')
  requests.length = 0
  await gwen.send(id, 'without hans')
  const asked = ['POST messages', 'GET roster', 'GET chain', 'GET key', 'POST messages']
  t.strictSame(withoutIds(requests), asked)
})

function withoutIds(requests: readonly string[]): string[] {
  return requests.map((request) => request.replace(/[0-9a-f-]{36}$/, 'key'))
}
