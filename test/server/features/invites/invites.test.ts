import t from 'tap'
import { sql } from 'drizzle-orm'
import { invites } from '../../../../src/server/db/schema.js'
import type { CreatedInvite, Invite } from '../../../../src/protocol/invites.js'
import type { InteropClient } from '../../../support/interop/client.js'
import { expect, problemBody, type Page } from '../../../support/interop/http.js'
import { startChat } from '../../../support/start-chat.js'
import { arrived, newcomer, outcome } from './newcomers.js'

const limits = { INVITES_PER_DAY: '4', INVITE_USES: '5', INVITE_DAYS: '10' }
const chat = await startChat(t, {
  REGISTRATION: 'invite',
  RATE_LIMIT: 'on',
  RATE_LIMIT_AUTH: '1000',
  ...limits
})
const { db } = chat.services
const alice = await arrived(t, chat, 'alice')
const bob = await arrived(t, chat, 'bob')

const create = (by: InteropClient, body: object = {}) =>
  by.raw<CreatedInvite>('POST', '/v1/invites', { body })
const list = async (by: InteropClient, query = '') =>
  expect(await by.raw<Page<Invite>>('GET', `/v1/invites${query}`), 200).body
const days = (invite: Invite) =>
  Math.round((Date.parse(invite.expiresAt) - Date.parse(invite.createdAt)) / 86_400_000)

t.test('An invitation is for one account within 7 days, unless it says otherwise', async (t) => {
  const one = expect(await create(alice), 201).body
  t.match(one, { maxUses: 1, uses: 0, usedBy: [], note: '', kind: 'member', revokedAt: null })
  t.equal(days(one), 7)
  const more = expect(await create(alice, { maxUses: 5, days: 2, note: 'book club', kind: 'bot' }), 201).body
  t.match(more, { maxUses: 5, note: 'book club', kind: 'bot' })
  t.equal(days(more), 2)
  t.not(one.token, more.token)
})

t.test('The server keeps no token', async (t) => {
  const { token } = expect(await create(bob), 201).body
  const rows = await db.select({ row: sql<string>`invites::text` }).from(invites)
  t.notMatch(JSON.stringify(rows), token)
  t.notMatch(JSON.stringify(rows), Buffer.from(token, 'base64url').toString('hex'))
  t.notMatch(JSON.stringify(await list(bob)), token)
})

t.test('The maker sees who came by an invitation, and nobody else does', async (t) => {
  const { id, token } = expect(await create(alice, { maxUses: 2, note: 'friends' }), 201).body
  for (const name of ['carol', 'dave']) expect(await (await newcomer(t, chat, name)).register(token), 201)
  const mine = (await list(alice)).items.find((one) => one.id === id)!
  t.match(mine, { uses: 2, maxUses: 2, note: 'friends' })
  t.same(mine.usedBy.map(({ username }) => username).sort(), ['carol', 'dave'])
  t.notOk((await list(bob)).items.some((one) => one.id === id))
})

t.test('The list comes in pages, newest first', async (t) => {
  const all = (await list(alice)).items
  const paged: Invite[] = []
  for (let next: string | null = ''; next !== null;) {
    const page: Page<Invite> = await list(alice, `?limit=1${next === '' ? '' : `&cursor=${next}`}`)
    paged.push(...page.items)
    next = page.next
  }
  t.same(paged, all)
  const times = all.map(({ createdAt }) => createdAt)
  t.same(times, [...times].sort().reverse())
  t.equal(outcome(await alice.raw('GET', '/v1/invites?cursor=nonsense')), '400 invalid-cursor')
})

t.test('A revoked invitation admits nobody, and only its maker revokes it', async (t) => {
  const { id, token } = expect(await create(bob), 201).body
  t.equal(outcome(await alice.raw('DELETE', `/v1/invites/${id}`)), '404 invite-not-found')
  expect(await bob.raw('DELETE', `/v1/invites/${id}`), 204)
  const { revokedAt } = (await list(bob)).items[0]!
  expect(await bob.raw('DELETE', `/v1/invites/${id}`), 204)
  t.equal((await list(bob)).items[0]!.revokedAt, revokedAt, 'once more changes nothing')
  const late = await newcomer(t, chat, 'late')
  t.equal(outcome(await late.register(token)), '403 invitation-unavailable')
})

t.test('The invitations of a user who was suspended admit nobody', async (t) => {
  const { token } = expect(await create(bob), 201).body
  await db.execute(sql`update users set suspended_at = now() where username = 'bob'`)
  const friend = await newcomer(t, chat, 'friend')
  t.equal(outcome(await friend.register(token)), '403 invitation-unavailable')
  await db.execute(sql`update users set suspended_at = null where username = 'bob'`)
  expect(await friend.register(token), 201)
})

t.test('A refusal says which bound was reached', async (t) => {
  const erin = await arrived(t, chat, 'erin')
  const uses = await create(erin, { maxUses: 6 })
  t.equal(outcome(uses), '409 limit-reached')
  t.match(problemBody(uses).detail, /at most 5 uses/)
  const long = await create(erin, { days: 11 })
  t.match(problemBody(long).detail, /at most 10 days/)
  t.equal(outcome(await create(erin, { maxUses: 0 })), '400 invalid-request')
  const outcomes = await Promise.all([1, 2, 3, 4, 5, 6].map(() => create(erin)))
  t.same(outcomes.map(outcome).sort(), [
    '201',
    '201',
    '201',
    '201',
    '429 too-many-requests',
    '429 too-many-requests'
  ])
  const refused = outcomes.find(({ status }) => status === 429)!
  t.match(problemBody(refused).detail, /4 invitations within 24 hours.* at \d{4}-/)
  t.match(refused.headers['retry-after'], /^86\d{3}$/)
})

t.test('Only an active device makes invitations', async (t) => {
  const session = await newcomer(t, chat, 'alice')
  Object.assign(session, { password: alice.password })
  expect(await session.login(false), 200)
  t.equal(outcome(await create(session)), '403 device-required')
})
