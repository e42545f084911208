import t from 'tap'
import type { ChatClient } from '../../../src/client/client.js'
import { eventually } from '../../support/eventually.js'
import { client, link, Listener, registered, texts } from '../../support/chat-clients.js'
import { startChat } from '../../support/start-chat.js'

const { url } = await startChat(t)

async function furtherDevice(of: ChatClient): Promise<ChatClient> {
  const device = await client(t, url)
  await link(of, device)
  return device
}

t.test('The device that approves another also forwards the keys that it had not fetched yet', async (t) => {
  const alice = await registered(t, url, 'alice')
  const bob = await registered(t, url, 'bob')
  const { conversationId } = await alice.send({ username: 'bob' }, 'bob was not listening')
  const phone = await furtherDevice(bob)
  t.strictSame(await texts(phone, conversationId), ['bob was not listening'])
})

t.test('A device that was added while its user was out of a group also reads the time before', async (t) => {
  const cora = await registered(t, url, 'cora')
  const dan = await registered(t, url, 'dan')
  new Listener(t, dan)
  const { id } = await cora.conversations.createGroup('group', ['dan'])
  await cora.send(id, 'with dan')
  await eventually(async () => (await texts(dan, id)).includes('with dan'))
  await cora.conversations.remove(id, 'dan')
  await cora.send(id, 'without dan')
  const phone = await furtherDevice(dan)
  new Listener(t, phone)
  await cora.conversations.add(id, 'dan')
  await cora.send(id, 'with dan again')
  const all = ['message', 'with dan', 'message', 'with dan again']
  await eventually(async () => (await texts(phone, id)).join() === all.join())
  t.strictSame(await texts(dan, id), all)
})

t.test(
  'A key of another user is passed on to the backup once by each device, and to nobody else',
  async (t) => {
    const posted: number[] = []
    const watched: typeof globalThis.fetch = async (input, init) => {
      const response = await fetch(input, init)
      if (init?.method === 'POST' && response.url.endsWith('/wraps')) posted.push(response.status)
      return response
    }
    const eve = await registered(t, url, 'eve')
    const fred = await registered(t, url, 'fred', { fetch: watched })
    const phone = await client(t, url, { fetch: watched })
    await link(fred, phone)
    await fred.backup.create()
    posted.length = 0
    const { id } = await eve.conversations.createGroup('group', ['fred'])
    const heard = [new Listener(t, fred), new Listener(t, phone)]
    for (const text of ['one', 'two', 'three']) await eve.send(id, text)
    for (const listener of heard) await listener.message('three')
    await fred.send(id, 'an answer')
    for (const device of [fred, phone]) await device.flush()
    t.strictSame(posted, [201, 201])
  }
)
