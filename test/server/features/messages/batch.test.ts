import { randomUUID } from 'node:crypto'
import t from 'tap'
import type { MessageBatchResponse } from '../../../../src/protocol/messages.js'
import { conversation } from '../../../support/people.js'
import { startChat } from '../../../support/start-chat.js'
import { expect, problem, type Sealed } from '../../../support/interop/http.js'
import type { InteropClient } from '../../../support/interop/client.js'

const BUDGET = 400
const chat = await startChat(t, { RATE_LIMIT: 'on', RATE_LIMIT_SEND: String(BUDGET) })
const [alice, bob] = await Promise.all([chat.user('alice'), chat.user('bob')])

const post = (by: InteropClient, conversationId: string, messages: readonly unknown[]) =>
  by.raw<MessageBatchResponse>('POST', `/v1/conversations/${conversationId}/messages/batch`, {
    body: { messages }
  })
const sealed = (by: InteropClient, id: string, texts: readonly string[]) =>
  texts.map((text) => by.seal(id, text))

t.test('A batch is stored in its order, at positions of its own, and reaches each member once', async (t) => {
  const id = await conversation(alice, [bob])
  const stream = await bob.live()
  const texts = Array.from({ length: 100 }, (_, i) => `m${i}`)
  const messages = sealed(alice, id, texts)
  const { items } = expect(await post(alice, id, messages), 200).body
  t.strictSame(
    items.map((item) => [item.id, item.status, item.receipt?.id, item.problem]),
    messages.map((message) => [message.id, 201, message.id, undefined])
  )
  const positions = items.map(({ receipt }) => receipt!.position)
  t.strictSame(
    positions,
    texts.map((_, i) => positions[0]! + i)
  )
  const heard = () => stream.received.filter(({ event }) => event === 'message')
  await stream.until(() => heard().length >= texts.length)
  t.strictSame(
    heard().map(({ data }) => data['position']),
    positions
  )
  const read = []
  await bob.fetchKeys(id)
  for (const message of await bob.history(id)) read.push((await bob.open(message)).text)
  t.strictSame(read, texts)

  const again = expect(await post(alice, id, messages), 200).body.items
  t.ok(
    again.every(({ status }) => status === 200),
    'the same batch again is a repeat'
  )
  t.strictSame(
    again.map(({ receipt }) => receipt!.position),
    positions
  )
})

t.test('Each message of a batch has an answer of its own', async (t) => {
  const id = await conversation(alice, [bob])
  const [first, second, third] = sealed(alice, id, ['one', 'two', 'three']) as [Sealed, Sealed, Sealed]
  expect(await alice.post(id, first), 201)
  const other = { ...second, id: first.id }
  const outdated = { ...sealed(alice, id, ['old'])[0], sessionKeyId: randomUUID() }
  const { items } = expect(await post(alice, id, [second, other, outdated, third]), 200).body
  t.match(items, [
    { id: second.id, status: 201 },
    { id: first.id, status: 409, problem: { type: '/problems/id-conflict', status: 409 } },
    { status: 409, problem: { type: '/problems/rekey-required', instance: String } },
    { id: third.id, status: 201 }
  ])
  t.equal(items[3]!.receipt!.position, items[0]!.receipt!.position + 1, 'what is refused takes no place')

  const mallory = await chat.user('mallory')
  const strange = expect(await post(mallory, id, [second]), 200).body.items
  t.match(strange, [{ status: 404, problem: { type: '/problems/conversation-not-found' } }])
})

t.test('An invalid batch is refused as a whole, and nothing of it is stored', async (t) => {
  const id = await conversation(bob, [alice])
  const message = () => bob.seal(id, 'x')
  const twice = message()
  const large = { ...message(), ciphertext: Buffer.alloc(65_537).toString('base64') }
  const full = { ...message(), ciphertext: Buffer.alloc(65_536).toString('base64') }
  const bad: [readonly unknown[], number, string][] = [
    [[], 400, 'invalid-request'],
    [Array.from({ length: 101 }, message), 400, 'invalid-request'],
    [[message(), twice, twice], 400, 'invalid-request'],
    [[message(), { ...message(), iv: 'AAAA' }], 400, 'invalid-request'],
    [[message(), large], 413, 'payload-too-large'],
    [Array.from({ length: 12 }, () => ({ ...full, id: randomUUID() })), 413, 'payload-too-large']
  ]
  for (const [messages, status, code] of bad) {
    const answer = await post(bob, id, messages)
    t.strictSame([answer.status, problem(answer)], [status, code])
  }
  t.strictSame(await bob.history(id), [])
})

t.test('A batch counts as many sends as it has messages', async (t) => {
  const carol = await chat.user('carol')
  const id = await conversation(carol, [])
  const batch = () => sealed(carol, id, Array<string>(100).fill('x'))
  for (let left = BUDGET - 100; left >= 0; left -= 100) {
    const { headers } = expect(await post(carol, id, batch()), 200)
    t.equal(Number(headers['ratelimit-remaining']), left)
  }
  const refused = await post(carol, id, batch())
  t.strictSame([refused.status, problem(refused)], [429, 'too-many-requests'])
  const wait = Number(refused.headers['retry-after'])
  t.ok(wait > 0 && wait <= 60)
  t.equal((await carol.post(id, carol.seal(id, 'one more'))).status, 429)
})
