import { eq, sql } from 'drizzle-orm'
import t from 'tap'
import { passwordResets, sessions } from '../../../../src/server/db/schema.js'
import { operatorOf } from '../../../support/admin.js'
import { expect, problem, type Answer } from '../../../support/interop/http.js'
import type { InteropClient } from '../../../support/interop/client.js'
import { lastWord, user } from '../../../support/people.js'
import { startChat } from '../../../support/start-chat.js'

const chat = await startChat(t, { RATE_LIMIT: 'on' })
const call = operatorOf(chat)
const PASSWORD = 'a wholly new password'
const isRefused = (answer: Answer<unknown>) => `${answer.status} ${problem(answer)}`

const link = async (username: string) =>
  expect(await call<{ token: string; expiresAt: string }>('POST', `/users/${username}/password-reset`), 201)
    .body

function reset(
  who: InteropClient,
  { expiresAt: _, ...body }: { expiresAt?: string; username?: string; token: string; newPassword?: string }
) {
  const whole = { username: who.username, newPassword: PASSWORD, ...body }
  return who.raw('POST', '/v1/auth/password-reset', { body: whole, token: null })
}

const logIn = (who: InteropClient, password: string) =>
  who.raw('POST', '/v1/auth/login', {
    body: { username: who.username, password, deviceId: who.deviceId },
    token: null
  })

t.test('A link sets a new password once; all sessions and streams end, and no key begins one', async (t) => {
  const alice = await user(t, chat, 'alice')
  const stream = await alice.live()
  const { token, expiresAt } = await link('alice')
  const minutes = (Date.parse(expiresAt) - Date.now()) / 60_000
  t.ok(minutes > 50 && minutes < 70, String(minutes))
  const both = await Promise.all([reset(alice, { token }), reset(alice, { token })])
  t.strictSame(both.map(({ status }) => status).sort(), [204, 403])
  t.equal(await lastWord(stream), 'revoked')
  t.equal(isRefused(await alice.refresh()), '401 session-ended')
  t.equal(isRefused(await alice.signInWithKey()), '401 invalid-credentials')
  t.equal(isRefused(await logIn(alice, alice.password)), '401 invalid-credentials')
  expect(await logIn(alice, PASSWORD), 200)
  expect(await alice.signInWithKey(), 200)
  const { body } = await call<{ items: object[] }>('GET', '/audit?subject=alice')
  t.match(body.items, [
    { actorKind: 'user', actor: 'alice', action: 'user.password-reset' },
    { actorKind: 'operator', action: 'user.reset-link' }
  ])
})

t.test('A newer link ends the older one; a late one and one of another user do nothing', async (t) => {
  const bob = await user(t, chat, 'bob')
  const older = await link('bob')
  const newer = await link('bob')
  t.equal(isRefused(await reset(bob, older)), '403 reset-unavailable')
  t.equal(isRefused(await reset(bob, { ...newer, username: 'alice' })), '403 reset-unavailable')
  t.equal(isRefused(await reset(bob, { ...newer, username: 'nobody' })), '403 reset-unavailable')
  t.equal(isRefused(await reset(bob, { ...newer, newPassword: 'password1234' })), '400 weak-password')
  await chat.services.db.update(passwordResets).set({ expiresAt: sql`now()` })
  t.equal(isRefused(await reset(bob, newer)), '403 reset-unavailable')
  expect(await logIn(bob, bob.password), 200)
})

t.test('A log-in with the old password at the same moment leaves no session', async (t) => {
  const dave = await user(t, chat, 'dave')
  const { token } = await link('dave')
  const logIns = Array.from({ length: 8 }, () => logIn(dave, dave.password))
  const [done] = await Promise.all([reset(dave, { token }), ...logIns])
  expect(done, 204)
  const left = await chat.services.db.select().from(sessions).where(eq(sessions.userId, dave.userId))
  t.strictSame(left, [])
})

t.test('A network that tries too many links has to wait, and the log says why', async (t) => {
  const carol = await user(t, chat, 'carol')
  let answer = await reset(carol, { token: 'x' })
  for (let tries = 0; tries < 12 && answer.status === 403; tries++)
    answer = await reset(carol, { token: 'x' })
  t.equal(isRefused(answer), '429 too-many-requests')
  t.ok(Number(answer.headers['retry-after']) > 60)
})
