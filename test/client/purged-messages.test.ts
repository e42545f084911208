import { sql } from 'drizzle-orm'
import t from 'tap'
import { rows } from '../../src/server/db/rows.js'
import { operatorOf } from '../support/admin.js'
import { all, client, link, Listener, registered, textOf, texts } from '../support/chat-clients.js'
import { expect, problem } from '../support/interop/http.js'
import { conversation } from '../support/people.js'
import { startChat } from '../support/start-chat.js'
import { tamperingProxy } from '../support/tampering-proxy.js'

const chat = await startChat(t)
const operator = operatorOf(chat)
const purge = (id: string) => operator('DELETE', `/messages/${id}`)
const [alice, bob] = [await registered(t, chat.url, 'alice'), await registered(t, chat.url, 'bob')]
const inShort = (event: { type: string }) => textOf(event) ?? event.type
/** What is said, or wrong with it. */
const said = ({ heard }: Listener) =>
  heard.map(inShort).filter((one) => !['connected', 'conversation', 'members'].includes(one))

t.test('A purged message is gone from the server, and all who read it are told', async (t) => {
  const listener = new Listener(t, bob)
  const { conversationId } = await alice.send({ username: 'bob' }, 'one')
  const two = await alice.send({ username: 'bob' }, 'two')
  await alice.send({ username: 'bob' }, 'three')
  await listener.message('three')
  expect(await purge(two.id), 204)
  const deleted = await listener.first('message-deleted')
  t.match(deleted, { id: two.id, conversationId, position: two.position, from: { username: 'alice' } })
  await alice.send({ username: 'bob' }, 'four')
  await listener.message('four')
  t.strictSame(said(listener), ['one', 'two', 'three', 'message-deleted', 'four'])
  const left = ['one', 'message-deleted', 'three', 'four']
  t.strictSame(await texts(bob, conversationId), left)
  t.strictSame((await all(bob.history(conversationId))).map(inShort), left.toReversed())
  t.strictSame((await all(bob.history(conversationId, { limit: 3 }))).map(inShort), [
    ...['four', 'three', 'message-deleted', 'one']
  ])
  const exported = await all(bob.export())
  t.equal(exported.filter(({ event }) => event === 'message').length, 3)
  t.equal(exported.filter(({ event }) => event === 'message.deleted').length, 2)
  const [row] = await rows<{ text: string }>(
    chat.services.db,
    sql`select events::text as text from events where message_id = ${two.id}::uuid`
  )
  t.notMatch(row!.text, /\\x/, 'no bytes are left in the row')
})

t.test('To purge twice changes nothing, and what was never there is not found', async (t) => {
  const { id } = await alice.send({ username: 'bob' }, 'once')
  expect(await purge(id), 204)
  expect(await purge(id), 204)
  const { body } = await operator<{ items: unknown[] }>('GET', `/audit?action=message.purge`)
  t.match(body.items[0], { action: 'message.purge', subject: id, details: {} })
  t.equal(body.items.length, 2)
  const unknown = await purge(crypto.randomUUID())
  t.equal(`${unknown.status} ${problem(unknown)}`, '404 message-not-found')
})

t.test('A reader who was away meets the tombstone, and hears of no gap', async (t) => {
  const [carol, dave] = [await registered(t, chat.url, 'carol'), await registered(t, chat.url, 'dave')]
  const before = new Listener(t, dave)
  await carol.send({ username: 'dave' }, 'first')
  await before.message('first')
  await before.stop()
  const first = await carol.send({ username: 'dave' }, 'purged')
  const second = await carol.send({ username: 'dave' }, 'purged as well')
  await carol.send({ username: 'dave' }, 'last')
  for (const { id } of [first, second]) expect(await purge(id), 204)
  const after = new Listener(t, dave)
  await after.message('last')
  await carol.send({ username: 'dave' }, 'new')
  // The stream brings each tombstone again, where it was deleted: between these two.
  await after.message('new')
  t.strictSame(
    said(after).filter((one) => one !== 'first'),
    ['message-deleted', 'message-deleted', 'last', 'new']
  )
})

t.test('A tombstone hides no other message that the server withholds', async (t) => {
  const proxy = await tamperingProxy(t, chat.url)
  const [erin, frank] = [await registered(t, chat.url, 'erin'), await registered(t, proxy.url, 'frank')]
  const before = new Listener(t, frank)
  await erin.send({ username: 'frank' }, 'first')
  await before.message('first')
  await before.stop()
  const purged = await erin.send({ username: 'frank' }, 'purged')
  const withheld = await erin.send({ username: 'frank' }, 'withheld')
  await erin.send({ username: 'frank' }, 'last')
  expect(await purge(purged.id), 204)
  proxy.tamper({ frame: (frame) => (frame.data?.id === withheld.id ? [] : [frame]) })
  const after = new Listener(t, frank)
  t.match(await after.first('withheld'), { first: 2, last: 3, count: 2 })
})

t.test('A message purged before the stream of a device begins is no gap either', async (t) => {
  const [gail, hugo] = [await registered(t, chat.url, 'gail'), await registered(t, chat.url, 'hugo')]
  const phone = await client(t, chat.url)
  await link(hugo, phone)
  await gail.send({ username: 'hugo' }, 'first')
  const purged = await gail.send({ username: 'hugo' }, 'purged')
  expect(await purge(purged.id), 204)
  const listener = new Listener(t, phone)
  await listener.first('connected')
  await gail.send({ username: 'hugo' }, 'third')
  await listener.message('third')
  t.notOk(said(listener).includes('withheld'))
  t.strictSame(said(listener).at(-1), 'third')
})

t.test('A client by others reads past deleted messages, and counts them', async (t) => {
  const [nadia, oscar] = [await chat.user('nadia'), await chat.user('oscar')]
  const id = await conversation(nadia, [oscar], 'direct')
  const sent: string[] = []
  for (const text of ['one', 'two', 'three']) sent.push(expect(await nadia.send(id, text), 201).body.id)
  expect(await purge(sent[1]!), 204)
  t.strictSame(await oscar.texts(id), ['one', 'three'])
  t.strictSame(oscar.missing(nadia.currentKey.get(id)!, nadia.keys.signingFp), [])

  const paul = await chat.user('paul')
  const heard = await paul.live()
  const group = await conversation(nadia, [paul])
  const early = expect(await nadia.send(group, 'early'), 201).body.id
  expect(await purge(early), 204)
  t.strictSame(await paul.texts(group), [], 'a page of deleted messages only')
  const { data } = await heard.waitFor(({ event }) => event === 'message.deleted', 'message.deleted')
  t.match(data, { conversationId: group, message: { id: early, sender: { username: 'nadia' } } })
  expect(await nadia.send(group, 'late'), 201)
  t.strictSame(await paul.texts(group), ['late'])
  t.strictSame(paul.missing(nadia.currentKey.get(group)!, nadia.keys.signingFp), [])
  heard.close()
})
