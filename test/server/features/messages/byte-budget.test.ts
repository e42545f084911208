import t from 'tap'
import type { MessageBatchResponse } from '../../../../src/protocol/messages.js'
import type { InteropClient } from '../../../support/interop/client.js'
import { expect, problemBody } from '../../../support/interop/http.js'
import { conversation, user } from '../../../support/people.js'
import { startChat } from '../../../support/start-chat.js'

const BUDGET = 65_536
const chat = await startChat(t, { RATE_LIMIT: 'on', MESSAGE_BYTES_PER_DAY: String(BUDGET) })
const alice = await user(t, chat, 'alice')
const id = await conversation(alice, [])

/** A message with a ciphertext of this size, of which the server reads nothing. */
const message = (by: InteropClient, bytes: number) => ({
  ...by.seal(id, 'x'),
  ciphertext: Buffer.alloc(bytes).toString('base64')
})
const send = (messages: readonly unknown[], by = alice) =>
  by.raw<MessageBatchResponse>('POST', `/v1/conversations/${id}/messages/batch`, { body: { messages } })

t.test('A user stores MESSAGE_BYTES_PER_DAY of ciphertext within 24 hours, and then waits', async (t) => {
  const first = message(alice, 40_000)
  expect(await alice.post(id, first), 201)
  expect(await alice.post(id, first), 200)
  const tooMuch = await send([message(alice, 20_000), message(alice, 20_000)])
  t.match(tooMuch, {
    status: 429,
    body: { type: '/problems/too-many-requests', until: /^\d{4}-/ },
    headers: { 'retry-after': /^86\d{3}$/ }
  })
  t.match(problemBody(tooMuch).detail, /65536 bytes of ciphertext within 24 hours, and you have 25536 left/)
  t.equal((await alice.history(id)).length, 1, 'nothing of what does not fit is stored')
  expect(await send([message(alice, 20_000), message(alice, 5536)]), 200)
  t.match(problemBody(await alice.post(id, message(alice, 100))).detail, /you have 0 left/)
  expect(await alice.post(id, first), 200)
})

t.test('Messages that the server does not store count for nobody', async (t) => {
  const bob = await user(t, chat, 'bob')
  const own = await conversation(bob, [])
  const strange = message(alice, 60_000)
  for (let n = 0; n < 3; n++) {
    const { items } = expect(await send([strange], bob), 200).body
    t.match(items, [{ status: 404 }])
  }
  expect(await bob.post(own, { ...bob.seal(own, 'x'), ciphertext: strange.ciphertext }), 201)
  t.equal((await bob.post(own, { ...bob.seal(own, 'x'), ciphertext: strange.ciphertext })).status, 429)
})
