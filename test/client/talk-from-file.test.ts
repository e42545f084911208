import { join } from 'node:path'
import t from 'tap'
import { FileStore } from '../../src/client/node.js'
import { client, registered, texts } from '../support/chat-clients.js'
import { startChat } from '../support/start-chat.js'

t.test('A device is stored in a folder: the next process continues with its keys', async (t) => {
  const { url } = await startChat(t)
  const folder = join(t.testdir(), 'keys')
  const store = () => FileStore.open({ folder })
  const alice = await registered(t, url, 'alice', { store: await store() })
  const bob = await registered(t, url, 'bob')
  const { conversationId } = await alice.send({ username: 'bob' }, 'one')
  await bob.send(conversationId, 'two')
  await alice.close()

  const again = await client(t, url, { store: await store() })
  t.strictSame(await texts(again, conversationId), ['one', 'two'])
  await again.devices.rekey()
  await again.close()

  const third = await client(t, url, { store: await store() })
  await bob.send(conversationId, 'three')
  await third.send(conversationId, 'four')
  t.strictSame(await texts(third, conversationId), ['one', 'two', 'three', 'four'])
  const many = Array.from({ length: 100 }, (_, i) => `m${i}`)
  const twin = await client(t, url, { store: await store() })
  await Promise.all(many.map((text, i) => (i % 2 === 0 ? third : twin).send(conversationId, text)))
  t.strictSame((await texts(bob, conversationId)).slice(4).sort(), [...many].sort())
})
