import t from 'tap'
import { ChatClient } from '../../../src/client/client.js'
import { MemoryStore } from '../../../src/client/stores/memory.js'
import { client, Listener, PASSWORD, registered } from '../../support/chat-clients.js'
import { startChat } from '../../support/start-chat.js'

const { url } = await startChat(t)

t.test(
  'A new identity that a program without events has noticed is told there, and once by a later one',
  async (t) => {
    const store = new MemoryStore()
    const alice = await registered(t, url, 'alice', { store })
    await registered(t, url, 'bob')
    await alice.users.get('bob')
    t.strictSame(alice.noticed(), [])
    const successor = await client(t, url)
    await successor.login({ username: 'bob', password: PASSWORD })
    await successor.devices.reset({ username: 'bob', password: PASSWORD })
    const { root } = await alice.users.get('bob')
    const told = { type: 'identity-changed', username: 'bob', root, wasVerified: false }
    t.match(alice.noticed(), [told])
    t.strictSame(alice.noticed(), [], 'once')
    await alice.close()

    const heardIn = async (chat: ChatClient): Promise<unknown[]> => {
      const listener = new Listener(t, chat)
      await listener.first('connected')
      await successor.send({ username: 'alice' }, 'hello')
      await listener.first('message')
      await listener.stop()
      await chat.close()
      return listener.heard.filter(({ type }) => type === 'identity-changed')
    }
    t.match(await heardIn(await ChatClient.open({ url, store })), [told])
    t.strictSame(await heardIn(await ChatClient.open({ url, store })), [], 'and once')
  }
)
