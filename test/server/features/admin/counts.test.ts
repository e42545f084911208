import t from 'tap'
import { operatorOf } from '../../../support/admin.js'
import { expect } from '../../../support/interop/http.js'
import { conversation, user } from '../../../support/people.js'
import { startChat } from '../../../support/start-chat.js'

const chat = await startChat(t, { CONTACT_POLICY: 'requests' })

t.test('An admin sees how many requests of a user wait, and how many users block them', async (t) => {
  const names = ['alice', 'bob', 'carol'] as const
  const [alice, bob, carol] = await Promise.all(names.map((name) => user(t, chat, name)))
  const shown = async () => expect(await operatorOf(chat)('GET', '/users/alice'), 200).body
  t.match(await shown(), { requestsSent: 0, blockedBy: 0 })
  const id = await conversation(alice!, [bob!], 'direct')
  await conversation(alice!, [carol!], 'direct')
  t.match(await shown(), { requestsSent: 2, blockedBy: 0 })
  expect(await bob!.raw('POST', `/v1/conversations/${id}/acceptance`), 204)
  expect(await carol!.raw('PUT', '/v1/users/me/blocks/alice'), 204)
  t.match(await shown(), { blockedBy: 1 })
  t.ok(Number((await shown())['requestsSent']) < 2, 'an accepted request does not wait')
})
