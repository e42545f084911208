import t from 'tap'
import { assemble, KEY_LIMITS } from '../../../src/client/assemble.js'
import type { ChatClient } from '../../../src/client/client.js'
import type { IncomingMessage } from '../../../src/client/types/messages.js'
import { MemoryStore } from '../../../src/client/stores/memory.js'
import {
  all,
  client,
  failure,
  link,
  Listener,
  PASSWORD,
  registered,
  textOf,
  texts
} from '../../support/chat-clients.js'
import { startChat } from '../../support/start-chat.js'

const DAY = 24 * 3600 * 1000

const { url } = await startChat(t)
let passed = 0
const now = () => Date.now() + passed

t.beforeEach(() => (passed = 0))

/** The session key of each message, oldest first. */
async function keys(chat: ChatClient, conversationId: string): Promise<string[]> {
  const read = await all(chat.history(conversationId, { after: 0 }))
  return read.map((message) => (message as IncomingMessage).key)
}

t.test('After 7 days a device takes another session key', async (t) => {
  const alice = await registered(t, url, 'alice', { now })
  const bob = await registered(t, url, 'bob')
  const { conversationId } = await alice.send({ username: 'bob' }, 'now')
  passed = 7 * DAY - 60_000
  await alice.send(conversationId, 'just before')
  passed = 7 * DAY
  await alice.send(conversationId, 'after a week')
  await bob.send(conversationId, 'hello')
  t.strictSame(await texts(bob, conversationId), ['now', 'just before', 'after a week', 'hello'])
  const [first, second, third, fourth] = await keys(bob, conversationId)
  t.equal(first, second)
  t.not(second, third)
  t.equal(third, fourth, 'others take it too')
})

t.test('After as many messages as its limit allows, a device takes another session key', async (t) => {
  const ben = await registered(t, url, 'ben')
  t.equal(KEY_LIMITS.messages, 10_000, 'the limit of every ChatClient')
  const limits = { messages: 2, ageMs: Infinity }
  const anna = await assemble({ url, store: new MemoryStore(), rsaKeyBits: 2048 }, limits)
  t.teardown(() => anna.http.close())
  await anna.registration.register({ username: 'anna', password: PASSWORD })
  const { id } = await anna.conversations.direct('ben')
  const said = ['the first', 'the last under this key', 'one more']
  for (const text of said) await anna.outbox.send(id, { type: 'text', text })
  t.strictSame(await texts(ben, id), said)
  const [first, second, third] = await keys(ben, id)
  t.equal(first, second)
  t.not(second, third)
})

t.test('A user who was away for a month reads all messages, and sends again', async (t) => {
  const store = new MemoryStore()
  const cora = await registered(t, url, 'cora', { now })
  const dora = await registered(t, url, 'dora', { now })
  const emil = await registered(t, url, 'emil', { store })
  const { id } = await cora.conversations.createGroup('away', ['emil'])
  await cora.send(id, 'see you')
  await emil.send(id, 'in a month')
  const [session] = await emil.sessions.list()
  await emil.sessions.end(session!.id)
  await emil.close()

  const said = ['see you', 'in a month']
  const say = async (who: ChatClient, text: string) => {
    await who.send(id, text)
    said.push(text)
  }
  passed = 8 * DAY
  await say(cora, 'another key')
  passed = 16 * DAY
  await cora.conversations.add(id, 'dora')
  await say(dora, 'hello from dora')
  passed = 24 * DAY
  const phone = await client(t, url, { now })
  await link(cora, phone)
  await say(phone, 'from a new device')
  await phone.devices.revoke(cora.account!.deviceId)
  await say(phone, 'the old one is gone')
  passed = 32 * DAY
  await dora.devices.rekey()
  await say(dora, 'with another encryption key')
  await phone.conversations.remove(id, 'dora')
  await say(phone, 'among ourselves')

  const back = await client(t, url, { store, now })
  t.match(await failure(back.conversations.list()), { kind: 'logged-out' }, 'the session has ended')
  await back.login({ username: 'emil', password: PASSWORD })
  const heard = new Listener(t, back)
  await heard.message('among ourselves')
  t.strictSame(heard.texts(), said)
  const wrong = ['unreadable', 'withheld', 'reordered', 'untrusted', 'identity-changed']
  t.strictSame(
    heard.heard.filter(({ type }) => wrong.includes(type)),
    []
  )
  t.strictSame((await texts(back, id)).slice(1), said.toSpliced(3, 0, 'message'), 'and the title, for dora')
  await back.send(id, 'I am back')
  t.equal((await texts(phone, id)).at(-1), 'I am back')
})

t.test('A user who was removed while away reads the messages before that', async (t) => {
  const store = new MemoryStore()
  const fred = await registered(t, url, 'fred')
  const gwen = await registered(t, url, 'gwen', { store })
  const { id } = await fred.conversations.createGroup('short', ['gwen'])
  const before = new Listener(t, gwen)
  await before.first('message')
  await before.stop()
  await gwen.close()
  await fred.send(id, 'are you there?')
  await fred.devices.rekey()
  await fred.send(id, 'under another key')
  await fred.conversations.remove(id, 'gwen')
  await fred.send(id, 'she is gone')

  const back = await client(t, url, { store })
  const heard = new Listener(t, back)
  await heard.first('members', ({ change }) => change === 'removed')
  t.strictSame(
    heard.heard
      .filter(({ type }) => ['message', 'unreadable', 'untrusted', 'withheld'].includes(type))
      .map(textOf),
    ['are you there?', 'under another key']
  )
})
