import { eq, sql } from 'drizzle-orm'
import t from 'tap'
import { invites } from '../../../../src/server/db/schema.js'
import { revokeInvite } from '../../../../src/server/access/invites.js'
import { expect, problemBody } from '../../../support/interop/http.js'
import { startChat } from '../../../support/start-chat.js'
import { arrived, crowd, newcomer, operatorInvite, outcome } from './newcomers.js'

const chat = await startChat(t, { REGISTRATION: 'invite', PASSWORD_QUEUE: '200' })
const { db } = chat.services

t.test('An invitation for 10 makes 10 accounts of 100 registrations at once', async (t) => {
  const counted = await crowd(t, chat, { many: 100, maxUses: 10 })
  t.same(counted, { 201: 10, '403 invitation-unavailable': 90 })
})

t.test('Every invitation that cannot be used has the same answer', async (t) => {
  const used = await operatorInvite(chat)
  const first = await newcomer(t, chat, 'first')
  expect(await first.register(used), 201)
  const expired = await operatorInvite(chat, { note: 'expired' })
  const revoked = await operatorInvite(chat, { note: 'revoked' })
  await db.execute(sql`update invites set expires_at = now() where note = 'expired'`)
  const [found] = await db.select().from(invites).where(eq(invites.note, 'revoked'))
  t.ok(await revokeInvite(db, found!.id, {}))
  const bob = await newcomer(t, chat, 'bob')
  const answers = []
  for (const token of [used, expired, revoked, 'A'.repeat(22), 'x']) {
    const { status, body } = await bob.register(token)
    answers.push({ status, ...(body as object), instance: '' })
  }
  t.match(answers[0], { status: 403, type: '/problems/invitation-unavailable' })
  for (const answer of answers) t.same(answer, answers[0])
  t.equal(outcome(await bob.register()), '403 invitation-required')
  expect(await bob.register(await operatorInvite(chat)), 201)
})

t.test('A registration that fails for another reason uses no invitation', async (t) => {
  const token = await operatorInvite(chat)
  const taken = await newcomer(t, chat, 'first')
  t.equal(outcome(await taken.register(token)), '409 username-taken')
  const other = await newcomer(t, chat, 'second')
  expect(await other.register(token), 201)
})

t.test(
  'An account is of the kind that its invitation names, and each user learns the own role',
  async (t) => {
    const bot = await newcomer(t, chat, 'helper-bot')
    const registered = expect(await bot.register(await operatorInvite(chat, { kind: 'bot' })), 201)
    t.match(registered.body.user, { kind: 'bot', role: 'member' })
    const admin = await arrived(t, chat, 'carol', 'admin')
    t.match(expect(await admin.raw('GET', '/v1/users/me'), 200).body, {
      user: { kind: 'member', role: 'admin' }
    })
    t.match(expect(await admin.login(), 200).body.user, { role: 'admin' })
    const seen = expect(await bot.raw<{ user: object }>('GET', '/v1/users/carol'), 200).body.user
    t.notOk('role' in seen, 'others are not told')
    t.match(seen, { kind: 'member' })
  }
)

t.test('A server tells whether one needs an invitation', async (t) => {
  const anybody = await newcomer(t, chat, 'anybody')
  t.match(expect(await anybody.raw('GET', '/v1/server', { token: null }), 200).body, {
    registration: 'invite'
  })
})

t.test('A name that looks like that of another user is refused', async (t) => {
  for (const [name, like] of [
    ['mary', 'rnary'],
    ['bo0', 'boo'],
    ['will', 'wi1l']
  ] as const) {
    const one = await newcomer(t, chat, name)
    expect(await one.register(await operatorInvite(chat)), 201)
    const other = await newcomer(t, chat, like)
    const refused = await other.register(await operatorInvite(chat))
    t.equal(outcome(refused), '409 username-confusable', `${like} looks like ${name}`)
    t.match(problemBody(refused).detail, /looks like/)
  }
})

t.test('Two names that look alike, and register at once, get one account', async (t) => {
  const token = await operatorInvite(chat, { maxUses: 2 })
  const pair = [await newcomer(t, chat, 'storm'), await newcomer(t, chat, 'storrn')]
  const outcomes = (await Promise.all(pair.map((one) => one.register(token)))).map(outcome)
  t.same(outcomes.sort(), ['201', '409 username-confusable'])
})
