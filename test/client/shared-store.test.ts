import t from 'tap'
import { MemoryStore } from '../../src/client/index.js'
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
