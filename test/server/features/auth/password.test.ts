import t from 'tap'
import { eq } from 'drizzle-orm'
import { sessions } from '../../../../src/server/db/schema.js'
import { anotherSession, lastWord, user } from '../../../support/people.js'
import { startChat } from '../../../support/start-chat.js'
import { expect, problem, type Answer } from '../../../support/interop/http.js'
import type { InteropClient } from '../../../support/interop/client.js'

const NEW = 'a quite different pass phrase'
const said = (answer: Answer<unknown>) => `${answer.status} ${problem(answer)}`

const change = (of: InteropClient, currentPassword: string, newPassword: string, address = '192.0.2.1') =>
  of.raw('POST', '/v1/auth/password', {
    body: { currentPassword, newPassword },
    headers: { 'x-forwarded-for': address }
  })
const login = (of: InteropClient, password: string, address = '192.0.2.1') =>
  of.raw('POST', '/v1/auth/login', {
    body: { username: of.username, password },
    token: null,
    headers: { 'x-forwarded-for': address }
  })

const chat = await startChat(t, {
  RATE_LIMIT: 'on',
  RATE_LIMIT_AUTH: '10000',
  TRUST_PROXY: '127.0.0.1',
  MAX_SESSIONS: '3'
})

t.test('A changed password is the only one that logs in, and all other sessions end', async (t) => {
  const alice = await user(t, chat, 'alice')
  const other = await anotherSession(t, alice)
  const stream = await other.live()
  expect(await change(alice, alice.password, NEW), 204)
  t.equal(await lastWord(stream), 'revoked')
  t.equal(said(await other.refresh()), '401 session-ended')
  expect(await alice.raw('GET', '/v1/users/me'), 200)
  t.equal(said(await login(alice, alice.password)), '401 invalid-credentials')
  expect(await login(alice, NEW), 200)
})

t.test('A common password, or one that is too short, is refused before anything ends', async (t) => {
  const bob = await user(t, chat, 'bob')
  const other = await anotherSession(t, bob)
  t.equal(said(await change(bob, bob.password, 'Password123')), '400 weak-password')
  t.equal(said(await change(bob, bob.password, 'short')), '400 invalid-request')
  expect(await other.refresh(), 200)
  expect(await login(bob, bob.password), 200)
})

t.test('A wrong current password counts like a wrong log-in, and changes nothing', async (t) => {
  const carol = await user(t, chat, 'carol')
  const here = '198.51.100.7'
  for (let i = 0; i < 10; i++)
    t.equal(said(await change(carol, 'a wrong pass phrase', NEW, here)), '403 wrong-password')
  t.equal(said(await change(carol, carol.password, NEW, here)), '429 too-many-requests')
  t.equal(said(await login(carol, carol.password, here)), '429 too-many-requests')
  expect(await login(carol, carol.password), 200)
})

t.test('One of two changes at the same time is made, and the other is refused', async (t) => {
  const dave = await user(t, chat, 'dave')
  const passwords = [NEW, `${NEW} too`]
  const answers = await Promise.all(passwords.map((one) => change(dave, dave.password, one)))
  t.strictSame(answers.map(({ status }) => status).sort(), [204, 403])
  const won = passwords[answers.findIndex(({ status }) => status === 204)]!
  expect(await login(dave, won), 200)
})

t.test('A user has at most MAX_SESSIONS: a log-in ends the one that was not used for longest', async (t) => {
  const frank = await user(t, chat, 'frank')
  const second = await anotherSession(t, frank)
  const stream = await second.live()
  const third = await anotherSession(t, frank)
  expect(await frank.refresh(), 200)
  const fourth = await anotherSession(t, frank)
  t.equal(await lastWord(stream), 'revoked')
  t.equal(said(await second.refresh()), '401 session-ended')
  for (const session of [frank, third, fourth]) expect(await session.raw('GET', '/v1/users/me'), 200)
  const { db } = chat.services
  t.equal((await db.select().from(sessions).where(eq(sessions.userId, frank.userId))).length, 3)
})
