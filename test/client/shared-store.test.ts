import t from 'tap'
import { ChatError, MemoryStore } from '../../src/client/index.js'
import { client, Listener, registered } from '../support/chat-clients.js'
import { startChat } from '../support/start-chat.js'
import { tamperingProxy } from '../support/tampering-proxy.js'

t.test(
  'A client that is cut off hears later what another client of its store has heard meanwhile',
  async (t) => {
    const { url } = await startChat(t)
    const [near, far] = [await tamperingProxy(t, url), await tamperingProxy(t, url)]
    const store = new MemoryStore()
    const bob = await registered(t, url, 'bob')
    const alice = await registered(t, near.url, 'alice', { store })
    const other = await client(t, far.url, { store, random: () => 0 })
    const [first, second] = [new Listener(t, alice), new Listener(t, other)]
    for (const listener of [first, second]) await listener.first('connected')
    const { conversationId } = await bob.send({ username: 'alice' }, 'to both')
    for (const listener of [first, second]) await listener.message('to both')

    far.tamper({ instead: () => ({ status: 502 }) })
    far.cut()
    await second.first('disconnected')
    await bob.send(conversationId, 'to one')
    await first.message('to one')
    far.tamper({})
    await bob.send(conversationId, 'to both again')
    for (const listener of [first, second]) await listener.message('to both again')
    for (const listener of [first, second])
      t.strictSame(listener.texts(), ['to both', 'to one', 'to both again'], 'once and in order')
  }
)

t.test('A stream goes on when others have held its store for too long', async (t) => {
  const { url } = await startChat(t)
  const store = new MemoryStore()
  const bob = await registered(t, url, 'bob')
  const listener = new Listener(t, await registered(t, url, 'alice', { store, random: () => 0 }))
  await listener.first('connected')
  const update = store.update.bind(store)
  let isHeld = true
  store.update = (work) =>
    isHeld
      ? Promise.reject(new ChatError('store', 'store-busy', 'The key store is still held.'))
      : update(work)
  await bob.send({ username: 'alice' }, 'hello')
  await listener.first('disconnected', ({ error }) => error?.code === 'store-busy')
  isHeld = false
  await listener.message('hello')
})
