import { eq, sql } from 'drizzle-orm'
import t from 'tap'
import { memberships, sessionKeys } from '../../../../src/server/db/schema.js'
import { startTarget } from '../../../support/bad-input.js'
import {
  chainRequest,
  creation,
  currentUser,
  readChain,
  type Change
} from '../../../support/chain-requests.js'
import { crowd } from '../../../support/crowd.js'
import { change, found, leave, member, newKey, post } from '../../../support/conversations.js'
import { expect, problem, type Answer } from '../../../support/interop/http.js'

const target = await startTarget(t, {
  RATE_LIMIT: 'on',
  RATE_LIMIT_READ: '100000',
  RATE_LIMIT_WRITE: '10000'
})
const { db } = target.services
const [alice, bob] = [await target.user('alice'), await target.user('bob')]

/** As if this had happened earlier. */
async function pass(seconds: number): Promise<void> {
  const by = sql`${seconds}::int * interval '1 second'`
  await db.update(memberships).set({ spentUntil: sql`${memberships.spentUntil} - ${by}` })
  await db.update(sessionKeys).set({ createdAt: sql`${sessionKeys.createdAt} - ${by}` })
}

t.test('A user makes 10 requests to a chain at once, and then one a minute', async (t) => {
  const id = await found(alice, 'group', [bob])
  const chain = `/v1/conversations/${id}/chain`
  const ttl = (n: number): Change[] => [['timer', ['message-ttl', n]]]
  const last = await chainRequest(alice, await readChain(alice, id), ttl(0))
  expect(await post(alice, chain, last), 201)
  for (let n = 1; n < 9; n++) expect(await change(alice, id, ttl(n)), 201)
  const refused = await change(alice, id, ttl(9), { wraps: (all) => all.slice(1) })
  t.equal(problem(refused), 'stale-roster', 'the tenth is refused, and counts')

  const over = await change(alice, id, ttl(10))
  t.strictSame([over.status, problem(over)], [429, 'too-many-requests'])
  const wait = Number(over.headers['retry-after'])
  t.ok(wait > 50 && wait <= 60, `Retry-After ${wait}`)
  expect(await post(alice, chain, last), 201)
  t.pass('a repeat is free')
  const unread = await post(alice, chain, '{', { 'if-match': '"x"' })
  t.equal(problem(unread), 'stale-chain', 'what is refused before its body is read is free')
  expect(await change(alice, await found(alice, 'group'), ttl(1)), 201)
  expect(await newKey(bob, id), 201)
  t.pass('each user and each conversation has a budget of its own')

  await pass(wait)
  expect(await change(alice, id, ttl(11)), 201)
  t.equal((await change(alice, id, ttl(12))).status, 429)
  expect(await change(alice, id, [['role', await member(alice, 'bob', 'admin')]]), 429)
  expect(await leave(bob, id), 201)
  await pass(3600)
  for (let n = 0; n < 10; n++) expect(await change(alice, id, ttl(20 + n)), 201)
  t.equal((await change(alice, id, ttl(30))).status, 429, 'the budget does not grow beyond ten')
})

t.test('A key is due after 10,000 messages, however many there were today', async (t) => {
  const id = await found(alice, 'group', [bob])
  for (let n = 0; n < 5; n++) expect(await newKey(alice, id), 201)
  const had = (messageCount: number) =>
    db.update(sessionKeys).set({ messageCount }).where(eq(sessionKeys.conversationId, id))
  await had(9999)
  t.equal(problem(await newKey(alice, id)), 'key-not-due')
  await had(10_000)
  expect(await newKey(alice, id), 201)
  t.equal(problem(await newKey(alice, id)), 'key-not-due', 'the next one has had none')
})

t.test('Leaving is free', async (t) => {
  const id = await found(alice, 'group', [bob])
  for (let n = 0; n < 5; n++) expect(await newKey(bob, id), 201)
  for (let n = 0; n < 5; n++) t.equal(problem(await newKey(bob, id)), 'key-not-due')
  t.equal(problem(await newKey(bob, id)), 'too-many-requests')
  expect(await leave(bob, id), 201)
})

t.test('A key that nothing asks for is taken five times within 24 hours', async (t) => {
  const id = await found(alice, 'group', [bob])
  for (let n = 0; n < 5; n++) expect(await newKey(alice, id), 201)
  t.equal(problem(await newKey(alice, id)), 'key-not-due')
  expect(await newKey(bob, id), 201)
  await pass(60)
  expect(await change(alice, id, [['timer', ['message-ttl', 60]]]), 201)
  t.equal((await newKey(alice, id)).status, 409, 'a change with its key asks for no other one')

  const phone = await target.device('bob', { password: bob.password })
  expect(await phone.login(false), 200)
  expect(await phone.addDevice(bob.keys), 201)
  expect(await newKey(alice, id), 201)
  t.pass('a member’s chain has moved')
  expect(await bob.revoke(phone.deviceId), 200)
  expect(await newKey(alice, id), 201)
  expect(await leave(bob, id), 201)
  expect(await newKey(alice, id), 201)
  t.pass('a member has left')
  await pass(600)
  t.equal(problem(await newKey(alice, id)), 'key-not-due')
  await pass(24 * 3600 + 1)
  for (let n = 0; n < 5; n++) expect(await newKey(alice, id), 201)
  t.equal(problem(await newKey(alice, id)), 'key-not-due')
})

t.test('A request counts for more the more wraps it has', async (t) => {
  const others = await crowd(db, 320)
  const known = new Map(others).set('alice', await currentUser(alice, 'alice'))
  const left = (answer: Answer<unknown>) => Number(expect(answer, 201).headers['ratelimit-remaining'])
  const create = async (names: Iterable<string>) =>
    left(await post(alice, '/v1/conversations', await creation(alice, 'group', [...names], { known })))
  const before = await create([])
  t.equal(await create([]), before - 1)
  t.equal(await create(others.keys()), before - 1 - 21)
})
