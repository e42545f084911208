import { eq, sql } from 'drizzle-orm'
import t from 'tap'
import { sessions } from '../../../../src/server/db/schema.js'
import { operatorOf, promote } from '../../../support/admin.js'
import { eventually } from '../../../support/eventually.js'
import { expect, problem, type Answer } from '../../../support/interop/http.js'
import type { InteropClient } from '../../../support/interop/client.js'
import { conversation, lastWord, user } from '../../../support/people.js'
import { startChat } from '../../../support/start-chat.js'

const chat = await startChat(t)
const call = operatorOf(chat)
const isRefused = (answer: Answer<unknown>) => `${answer.status} ${problem(answer)}`
const me = (who: InteropClient) => who.raw('GET', '/v1/users/me')

t.test('Only an admin of the server administrates, and only in a young session', async (t) => {
  const [alice, bob] = [await user(t, chat, 'alice'), await user(t, chat, 'bob')]
  const stats = (who: InteropClient) => who.raw('GET', '/v1/admin/stats')
  t.equal(isRefused(await stats(alice)), '403 server-admin-required')
  t.equal((await fetch(`${chat.url}/v1/admin/stats`)).status, 401)
  expect(await call('PUT', '/users/alice/role', { role: 'admin' }), 204)
  expect(await stats(alice), 200)
  t.equal(isRefused(await stats(bob)), '403 server-admin-required')
  await chat.services.db
    .update(sessions)
    .set({ createdAt: sql`now() - interval '11 minutes'` })
    .where(eq(sessions.userId, alice.userId))
  t.equal(isRefused(await stats(alice)), '403 fresh-sign-in-required')
  expect(await alice.signInWithKey(), 200)
  expect(await stats(alice), 200)
})

t.test('The last admin is neither demoted nor suspended, not even by two at once', async (t) => {
  t.equal(isRefused(await call('PUT', '/users/alice/role', { role: 'member' })), '409 last-server-admin')
  t.equal(isRefused(await call('PUT', '/users/alice/suspension')), '409 last-server-admin')
  const bob = await user(t, chat, 'bob2')
  await promote(chat, bob)
  const both = await Promise.all([
    call('PUT', '/users/alice/role', { role: 'member' }),
    call('PUT', '/users/bob2/suspension')
  ])
  t.strictSame(both.map(({ status }) => status).sort(), [204, 409])
})

t.test('A suspended user has no session and no stream, begins none, and is back when resumed', async (t) => {
  const [carol, dave] = [await chat.user('carol'), await chat.user('dave')]
  const id = await conversation(carol, [dave], 'direct')
  expect(await carol.send(id, 'before'), 201)
  const stream = await carol.live()
  expect(await call('PUT', '/users/carol/suspension'), 204)
  t.equal(await lastWord(stream), 'revoked')
  expect(await call('PUT', '/users/carol/suspension'), 204)
  t.equal(isRefused(await me(carol)), '401 session-ended')
  t.equal(isRefused(await carol.refresh()), '401 session-ended')
  t.equal(isRefused(await carol.login()), '403 suspended')
  const body = { username: 'carol', password: 'not the right one' }
  const wrong = await carol.raw('POST', '/v1/auth/login', { body, token: null })
  t.equal(isRefused(wrong), '401 invalid-credentials')
  t.equal(isRefused(await carol.signInWithKey()), '403 suspended')
  type Presences = { items: { online: boolean }[] }
  await eventually(async () => {
    const { body } = await dave.raw<Presences>('GET', '/v1/presence?user=carol')
    return body.items[0]?.online === false
  }, 'carol is offline')
  t.match((await call('GET', '/users/carol')).body, {
    suspendedAt: /^20/,
    sessions: 0,
    devices: { active: 1 }
  })
  expect(await call('DELETE', '/users/carol/suspension'), 204)
  expect(await carol.signInWithKey(), 200)
  expect(await carol.send(id, 'after'), 201)
})

t.test('A log-in at the same moment as the suspension leaves no session', async (t) => {
  const erin = await user(t, chat, 'erin')
  await Promise.all([
    call('PUT', '/users/erin/suspension'),
    ...Array.from({ length: 5 }, () => erin.login()),
    erin.signInWithKey()
  ])
  const left = await chat.services.db.select().from(sessions).where(eq(sessions.userId, erin.userId))
  t.strictSame(left, [])
})
