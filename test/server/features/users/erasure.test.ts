import { eq, sql } from 'drizzle-orm'
import t, { type Test } from 'tap'
import { readSigningDevice } from '../../../../src/server/chains/signing-device.js'
import { eraseUser } from '../../../../src/server/access/erasure.js'
import { rows } from '../../../../src/server/db/rows.js'
import { blocks, conversations, sessionKeyWraps, users } from '../../../../src/server/db/schema.js'
import { appendEvents, transaction } from '../../../../src/server/log/append-events.js'
import { eventually } from '../../../support/eventually.js'
import { erase, revocations } from '../../../support/erasure.js'
import { expect, problem, type Answer } from '../../../support/interop/http.js'
import type { DeviceSession } from '../../../../src/server/access/auth.js'
import type { InteropClient } from '../../../support/interop/client.js'
import { anotherSession, conversation, lastWord, sessionId, user } from '../../../support/people.js'
import { startChat } from '../../../support/start-chat.js'

const said = (answer: Answer<unknown>) => `${answer.status} ${problem(answer)}`
const chat = await startChat(t, { RATE_LIMIT: 'on', RATE_LIMIT_AUTH: '10000', TRUST_PROXY: '127.0.0.1' })

const { db, erasedRows } = chat.services

/** As it is when the process ends right after the transaction. */
const eraseByOperator = (of: InteropClient) =>
  transaction(chat.services, async (tx) => void (await appendEvents(tx, await eraseUser(tx, of.userId))))

/** What the database holds of a conversation. */
async function left(id: string) {
  const [found] = await rows<Record<string, unknown>>(
    db,
    sql`select
    (select count(*)::int from conversations where id = ${id}) as conversations,
    (select count(*)::int from memberships where conversation_id = ${id}) as members,
    (select count(*)::int from session_keys where conversation_id = ${id}) as keys,
    (select count(*)::int from events where conversation_id = ${id}) as events,
    (select count(*) from events) = (select last from log_head) as dense`
  )
  return found!
}

async function messages(id: string): Promise<number> {
  const found = await rows(
    db,
    sql`select from events where conversation_id = ${id} and ciphertext is not null`
  )
  return found.length
}

const isNobodys = async (id: string) =>
  (await db.select().from(conversations).where(eq(conversations.id, id))).length === 0

const login = (of: InteropClient, password = of.password) =>
  of.raw('POST', '/v1/auth/login', { body: { username: of.username, password }, token: null })

/** What is so for everybody else after an erasure. */
async function isGone(t: Test, gone: InteropClient, other: InteropClient): Promise<void> {
  t.equal(said(await login(gone)), '401 invalid-credentials')
  t.equal(said(await login(gone, 'a wrong pass phrase')), '401 invalid-credentials')
  t.equal(said(await gone.signInWithKey()), '401 invalid-credentials')
  t.equal(said(await gone.refresh()), '401 session-ended')
  const { body } = await other.raw<{ erased: boolean }>('GET', `/v1/users/${gone.username}`)
  t.equal(body.erased, true, 'the profile says so')
  t.ok((await other.user(gone.username)).sequence > 0, 'the chain verifies')
  const found = await other.raw<{ items: unknown[] }>('GET', `/v1/users?prefix=${gone.username}`)
  t.strictSame(found.body.items, [], 'a search does not find them')
  const presence = await other.raw<{ items: unknown[] }>('GET', `/v1/presence?user=${gone.username}`)
  t.strictSame(presence.body.items, [])
  for (const kind of ['group', 'direct'] as const) {
    const { answer } = await other.createConversation(kind, [gone.username])
    t.equal(said(answer), '404 user-not-found', `no new ${kind} conversation`)
  }
}

t.test('An account is erased with one request: nobody gets in, others are told and go on', async (t) => {
  const [alice, bob] = [await user(t, chat, 'alice'), await user(t, chat, 'bob')]
  const id = await conversation(bob, [alice])
  expect(await alice.send(id, { type: 'text', text: 'stays' }), 201)
  const elsewhere = await anotherSession(t, alice)
  const [own, others] = [await elsewhere.live(), await bob.live()]
  expect(await erase(alice), 204)
  t.equal(await lastWord(own), 'revoked')
  const { data } = await others.waitFor(({ event }) => event === 'user.deleted')
  t.match(data, { userId: alice.userId, username: 'alice' })
  await isGone(t, alice, bob)
  const { body } = await bob.raw<{ conversation: { members: unknown } }>('GET', `/v1/conversations/${id}`)
  t.match(body.conversation.members, [
    { username: 'alice', erased: true },
    { username: 'bob', erased: false }
  ])
  expect(await bob.send(id, { type: 'text', text: 'hello?' }), 201)
  t.equal((await bob.history(id)).length, 2, 'what was sent to others stays')
  const again = await user(t, chat, 'alice').then(
    () => 'taken over',
    () => 'refused'
  )
  t.equal(again, 'refused', 'the name is never given again')
})

t.test('Nobody blocks an account that is erased', async (t) => {
  const [gone, other] = [await user(t, chat, 'blocked-late'), await user(t, chat, 'late-blocker')]
  await eraseByOperator(gone)
  const blocked = await other.raw('PUT', '/v1/users/me/blocks/blocked-late')
  t.equal(said(blocked), '404 user-not-found')
  t.strictSame(await db.select().from(blocks).where(eq(blocks.blockedId, gone.userId)), [])
})

t.test('A wrong password erases nothing, and counts like a wrong log-in', async (t) => {
  const carol = await user(t, chat, 'carol')
  const headers = { 'x-forwarded-for': '198.51.100.9' }
  for (let i = 0; i < 10; i++)
    t.equal(said(await erase(carol, { password: 'a wrong pass phrase', headers })), '403 wrong-password')
  t.equal(said(await erase(carol, { headers })), '429 too-many-requests')
  expect(await login(carol), 200)
})

t.test('The statements revoke all devices, in order, or nothing is erased', async (t) => {
  const dave = await user(t, chat, 'dave')
  const erasure = (statements: unknown[], rest = {}) =>
    dave.raw('POST', '/v1/users/me/erasure', { body: { password: dave.password, statements, ...rest } })
  t.equal(said(await erasure([])), '403 forbidden')
  const [own] = await revocations(dave, [dave.deviceId])
  t.equal(said(await erasure([own, own])), '409 stale-chain')
  t.equal(said(await erasure([{ ...own, text: 'nonsense\n' }])), '400 invalid-statement')
  const broken = { ...own, signatures: { [dave.keys.signingFp]: Buffer.alloc(64).toString('base64') } }
  t.equal(said(await erasure([broken])), '400 invalid-signature')
  expect(await erasure([], { dryRun: true }), 204)
  expect(await dave.raw('GET', '/v1/users/me'), 200)
  expect(await erasure([own]), 204)
})

t.test('The last admin of the server stays as long as others have accounts', async (t) => {
  const [erin, frank] = [await user(t, chat, 'erin'), await user(t, chat, 'frank')]
  const { db } = chat.services
  const promote = (of: InteropClient) =>
    db.update(users).set({ role: 'admin' }).where(eq(users.id, of.userId))
  await promote(erin)
  const body = { password: erin.password, statements: [], dryRun: true }
  t.equal(said(await erin.raw('POST', '/v1/users/me/erasure', { body })), '409 last-server-admin')
  t.equal(said(await erase(erin)), '409 last-server-admin')
  await promote(frank)
  const both = await Promise.all([erase(erin), erase(frank)])
  t.strictSame(both.map(({ status }) => status).sort(), [204, 409], 'of two at once, one stays')
})

t.test('A conversation in which nobody has an account any more is erased with its messages', async (t) => {
  const [gina, hugo] = [await user(t, chat, 'gina'), await user(t, chat, 'hugo')]
  const id = await conversation(gina, [hugo], 'direct')
  expect(await gina.send(id, { type: 'text', text: 'for two' }), 201)
  expect(await erase(gina), 204)
  expect(await hugo.raw('GET', `/v1/conversations/${id}`), 200)
  expect(await erase(hugo), 204)
  await eventually(() => isNobodys(id))
  t.strictSame(await left(id), { conversations: 0, members: 0, keys: 0, events: 0, dense: true })
})

t.test('Messages that former members may read stay until the last one of them has no account', async (t) => {
  const [kate, liam] = [await user(t, chat, 'kate'), await user(t, chat, 'liam')]
  const id = await conversation(kate, [liam])
  const read = async (of: InteropClient) => {
    const { body } = await of.raw<{ items: { event: string }[] }>('GET', '/v1/events/page?after=0')
    return body.items.filter(({ event }) => event === 'message').length
  }
  expect(await kate.send(id, { type: 'text', text: 'for two' }), 201)
  expect(await liam.leave(id), 201)
  expect(await kate.newKey(id), 201)
  expect(await kate.send(id, { type: 'text', text: 'for one' }), 201)
  expect(await kate.leave(id), 201)
  await erasedRows.sweep()
  t.equal(await read(kate), 2, 'nobody is in, and kate reads on')
  expect(await erase(kate), 204)
  await eventually(async () => (await messages(id)) === 1)
  t.equal(await read(liam), 1, 'liam reads on until where he left')
  expect(await erase(liam), 204)
  await eventually(() => isNobodys(id))
  t.strictSame(await left(id), { conversations: 0, members: 0, keys: 0, events: 0, dense: true })
})

t.test('An erasure that was interrupted goes on, however long ago that was', async (t) => {
  const mike = await user(t, chat, 'mike')
  const id = await conversation(mike, [])
  expect(await mike.send(id, { type: 'text', text: 'for me' }), 201)
  await eraseByOperator(mike)
  await db.execute(
    sql`update users set erased_at = now() - interval '9 days' where id = ${mike.userId}::uuid`
  )
  t.notOk(await isNobodys(id))
  await erasedRows.sweep()
  t.ok(await isNobodys(id))
  const [row] = await db.select().from(users).where(eq(users.id, mike.userId))
  t.equal(row!.suspendedAt, null, 'there is nothing more to do')
})

t.test('An operator erases without statements: wraps for the devices are taken and not kept', async (t) => {
  const [ivan, judy] = [await user(t, chat, 'ivan'), await user(t, chat, 'judy')]
  const id = await conversation(judy, [ivan])
  const stream = await judy.live()
  await eraseByOperator(ivan)
  await stream.waitFor(({ event }) => event === 'user.deleted')
  await isGone(t, ivan, judy)
  t.equal((await judy.user('ivan')).active.size, 1, 'the device still stands in the chain')
  const device = readSigningDevice(db, { id: sessionId(ivan), deviceId: ivan.deviceId } as DeviceSession)
  await t.rejects(device, { code: 'session-ended' }, 'a request that was under way signs nothing any more')
  await erasedRows.sweep()
  expect(await judy.newKey(id), 201, 409)
  expect(await judy.setTimer(id, 60), 201)
  const kept = await chat.services.db
    .select()
    .from(sessionKeyWraps)
    .where(eq(sessionKeyWraps.deviceId, ivan.deviceId))
  t.strictSame(kept, [])
  expect(await judy.send(id, { type: 'text', text: 'go on' }), 201)
  expect(await judy.removeMember(id, 'ivan'), 201)
})
