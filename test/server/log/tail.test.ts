import t from 'tap'
import { operatorOf } from '../../support/admin.js'
import { expect } from '../../support/interop/http.js'
import { startChat } from '../../support/start-chat.js'

const chat = await startChat(t)

t.test('The newest events in memory hold nothing of a message that was purged', async (t) => {
  const [alice, bob] = [await chat.user('alice'), await chat.user('bob')]
  const { id } = await alice.createConversation('direct', ['bob'])
  const { position, id: messageId } = expect(await alice.send(id, 'purged'), 201).body
  expect(await alice.send(id, 'kept'), 201)
  const inMemory = () => chat.services.log.since(bob.userId, position - 1, [id])!.entries
  t.strictSame(
    inMemory().map(({ type }) => type),
    ['message', 'message']
  )
  expect(await operatorOf(chat)('DELETE', `/messages/${messageId}`), 204)
  const [tombstone, kept, deletion] = inMemory()
  t.match([tombstone, kept, deletion], [{ position }, { type: 'message' }, { type: 'message.deleted' }])
  const { position: deletedAt, ...event } = JSON.parse(deletion!.json()) as { position: number }
  t.strictSame(JSON.parse(tombstone!.json()), { position, ...event })
  t.equal(deletedAt, position + 2)
})
