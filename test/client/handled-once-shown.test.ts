import t, { type Test } from 'tap'
import { ChatClient, MemoryStore, type ChatEvent } from '../../src/client/index.js'
import { client, link, Listener, PASSWORD, registered } from '../support/chat-clients.js'
import { startChat } from '../support/start-chat.js'

const { url } = await startChat(t)

/** Read up to the first event of this type, and die while it is handled. @param onRequest what follows a request */
async function diesAt<E extends ChatEvent['type']>(
  chat: ChatClient,
  type: E,
  onRequest: (conversationId: string) => unknown = () => undefined
): Promise<Extract<ChatEvent, { type: E }>> {
  for await (const event of chat.events())
    if (event.type === 'request') onRequest(event.conversationId)
    else if (event.type === type) {
      await chat.close()
      return event as Extract<ChatEvent, { type: E }>
    }
  throw new Error('The stream has ended.')
}

/** What the next two processes hear of this type: the first handles it. */
async function heardLater(
  t: Test,
  store: MemoryStore,
  type: ChatEvent['type'],
  barrier: (text: string) => Promise<unknown>,
  at = url
): Promise<ChatEvent[][]> {
  const heard: ChatEvent[][] = []
  for (const text of ['first', 'second']) {
    const chat = await ChatClient.open({ url: at, store })
    const listener = new Listener(t, chat)
    await listener.first('connected')
    await barrier(text)
    await listener.message(text)
    await listener.stop()
    await chat.close()
    heard.push(listener.heard.filter((event) => event.type === type))
  }
  return heard
}

/** Two users who talk with each other. */
async function friends(
  t: Test,
  ...names: readonly [string, string]
): Promise<{ one: ChatClient; other: ChatClient; store: MemoryStore }> {
  const store = new MemoryStore()
  const one = await registered(t, url, names[0])
  const other = await registered(t, url, names[1], { store })
  const { conversationId } = await one.send({ username: names[1] }, 'hello')
  await other.send(conversationId, 'hello')
  const listener = new Listener(t, other)
  await listener.first('connected')
  await one.send(conversationId, 'barrier')
  await listener.message('barrier')
  await listener.stop()
  return { one, other, store }
}

t.test('A new conversation that a dying program was shown is shown to the next one', async (t) => {
  const { one, other, store } = await friends(t, 'alice', 'bob')
  const { id } = await one.conversations.createGroup('team', ['bob'])
  t.match(await diesAt(other, 'conversation'), { conversation: { id } })
  const heard = await heardLater(t, store, 'conversation', (text) => one.send(id, text))
  t.match(heard, [[{ conversation: { id } }], []])
})

t.test('So is a request that was accepted with another device', async (t) => {
  const { url } = await startChat(t, { CONTACT_POLICY: 'requests' })
  const store = new MemoryStore()
  const [carol, dave] = [await registered(t, url, 'carol'), await registered(t, url, 'dave', { store })]
  const laptop = await client(t, url)
  await link(dave, laptop)
  const { conversationId } = await carol.send({ username: 'dave' }, 'hello')
  t.match(await diesAt(dave, 'request-accepted', (id) => laptop.send(id, 'hello')), { conversationId })
  const barrier = (text: string): Promise<unknown> => carol.send(conversationId, text)
  const heard = await heardLater(t, store, 'request-accepted', barrier, url)
  t.match(heard, [[{ conversationId }], []])
})

t.test('So is a block by another device', async (t) => {
  const { one, other, store } = await friends(t, 'erin', 'frank')
  await registered(t, url, 'stranger')
  const laptop = await client(t, url)
  await link(other, laptop)
  await laptop.contacts.block('stranger')
  t.match(await diesAt(other, 'block-changed'), { username: 'stranger', blocked: true })
  const heard = await heardLater(t, store, 'block-changed', (text) => one.send({ username: 'frank' }, text))
  t.match(heard, [[{ username: 'stranger' }], []])
})

t.test('Alarms after the one at which a program dies are told later', async (t) => {
  const { one, other, store } = await friends(t, 'gail', 'hugo')
  for (const name of ['ivan', 'jana']) {
    await registered(t, url, name)
    await other.users.get(name)
    const successor = await client(t, url)
    await successor.login({ username: name, password: PASSWORD })
    await successor.devices.reset({ username: name, password: PASSWORD })
    await other.users.get(name)
  }
  t.equal((await diesAt(other, 'identity-changed')).username, 'ivan')
  const barrier = (text: string): Promise<unknown> => one.send({ username: 'hugo' }, text)
  const heard = await heardLater(t, store, 'identity-changed', barrier)
  t.match(heard, [[{ username: 'ivan' }, { username: 'jana' }], []])
})
