import t from 'tap'
import { operatorOf, promote } from '../../support/admin.js'
import { envelope } from '../../support/conversations.js'
import { halfSent } from '../../support/half-sent.js'
import { expect, type Answer } from '../../support/interop/http.js'
import type { InteropClient } from '../../support/interop/client.js'
import { conversation, user } from '../../support/people.js'
import { startChat } from '../../support/start-chat.js'

const chat = await startChat(t)
const call = operatorOf(chat)
const me = (who: InteropClient) => who.raw('GET', '/v1/users/me')
const [carol, dave] = [await chat.user('carol'), await user(t, chat, 'dave')]

/** Calls of a user whose bodies are still under way. @returns what they are answered when these are complete */
async function begin(by: InteropClient, id: string): Promise<() => Promise<string[]>> {
  // The session is in memory from now on.
  expect(await me(by), 200)
  const calls = [
    await halfSent(by, 'POST', `/v1/conversations/${id}/messages`, await envelope(by, id)),
    await halfSent(by, 'PATCH', '/v1/users/me', { contactPolicy: 'nobody' }),
    await halfSent(by, 'POST', '/v1/invites', { note: '', maxUses: 1 })
  ]
  return () => Promise.all(calls.map((finish) => finish()))
}

const ways: Record<string, (who: InteropClient) => Promise<Answer<unknown>>> = {
  'who is suspended': ({ username }) => call('PUT', `/users/${username}/suspension`),
  'who is erased': ({ username }) => call('DELETE', `/users/${username}`),
  'who has logged out': (who) => who.logout(),
  'whose device is revoked': (who) => who.revoke(who.deviceId)
}

t.test('A request counts for nothing if its session ends before the last byte of its body', async (t) => {
  for (const [n, [how, end]] of Object.entries(ways).entries()) {
    const who = await chat.user(`leaver${n}`)
    const id = await conversation(carol, [who])
    await who.sync(['carol'])
    const finish = await begin(who, id)
    expect(await end(who), 204, 200)
    t.strictSame(new Set(await finish()), new Set(['401 session-ended']), `by one ${how}`)
    t.strictSame(await carol.history(id), [])
  }
})

t.test('A body that is slow, and no session that ended, is a request like any other', async (t) => {
  const id = await conversation(carol, [dave])
  const finish = await begin(carol, id)
  const [message, policy] = await finish()
  t.strictSame([message, policy], ['201', '200'])
})

t.test('A role that is gone before the last byte of a body lets nobody administrate', async (t) => {
  const admins = [await user(t, chat, 'admin1'), await user(t, chat, 'admin2')]
  for (const admin of admins) await promote(chat, admin)
  const [alice] = admins as [InteropClient]
  expect(await me(alice), 200)
  const invite = { note: '', kind: 'member', role: 'admin', maxUses: 1, days: 7 }
  const calls = [
    await halfSent(alice, 'POST', '/v1/admin/invites', invite),
    await halfSent(alice, 'PUT', '/v1/admin/users/admin1/role', { role: 'admin' })
  ]
  expect(await call('PUT', '/users/admin1/role', { role: 'member' }), 204)
  for (const finish of calls) t.equal(await finish(), '403 server-admin-required')
})
