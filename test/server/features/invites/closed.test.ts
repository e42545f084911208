import t from 'tap'
import { EMBEDDED } from '../../../support/database-for-tests.js'
import { expect } from '../../../support/interop/http.js'
import { startChat } from '../../../support/start-chat.js'
import { arrived, newcomer, operatorInvite, outcome } from './newcomers.js'

t.test('A bad invitation costs the server no password hash', async (t) => {
  // This database answers at once, so that only a hash keeps others in the line.
  const chat = await startChat(t, { ...EMBEDDED, REGISTRATION: 'invite', PASSWORD_QUEUE: '1' })
  const clients = await Promise.all(Array.from({ length: 24 }, (_, at) => newcomer(t, chat, `flood-${at}`)))
  const outcomes = (await Promise.all(clients.map((one) => one.register('guess')))).map(outcome)
  t.same(new Set(outcomes), new Set(['403 invitation-unavailable']), 'none waits for its turn to hash')
  const registered = (await Promise.all(clients.map((one) => one.register()))).map(outcome)
  t.same(new Set(registered), new Set(['403 invitation-required']))
})

t.test('A network that has guessed too often has to wait', async (t) => {
  const chat = await startChat(t, { REGISTRATION: 'invite', RATE_LIMIT: 'on', RATE_LIMIT_AUTH: '1000' })
  const mallory = await newcomer(t, chat, 'mallory')
  const good = await operatorInvite(chat)
  for (let guess = 0; guess < 30; guess++)
    t.equal(outcome(await mallory.register(`guess-${guess}`)), '403 invitation-unavailable')
  const refused = await mallory.register(good)
  t.equal(outcome(refused), '429 too-many-requests')
  t.ok(Number(refused.headers['retry-after']) > 0)
})

t.test('A closed server takes only those whom an admin or the operator invites', async (t) => {
  const chat = await startChat(t, { REGISTRATION: 'closed' })
  const anybody = await newcomer(t, chat, 'anybody')
  t.equal(outcome(await anybody.register()), '403 registration-closed')
  t.equal(outcome(await anybody.register('guess')), '403 invitation-unavailable')
  const admin = await arrived(t, chat, 'alice', 'admin')
  const member = await arrived(t, chat, 'bob')
  const { token } = expect(await admin.raw<{ token: string }>('POST', '/v1/invites', { body: {} }), 201).body
  expect(await anybody.register(token), 201)
  t.equal(outcome(await member.raw('POST', '/v1/invites', { body: {} })), '403 registration-closed')
})

t.test(
  'A person who has no password yet hears how a registration would be refused, and takes nothing',
  async (t) => {
    const chat = await startChat(t, { REGISTRATION: 'invite', RATE_LIMIT: 'on', RATE_LIMIT_AUTH: '1000' })
    await arrived(t, chat, 'alice')
    const bob = await newcomer(t, chat, 'bob')
    const invite = await operatorInvite(chat)
    const check = (body: object) => bob.raw('POST', '/v1/auth/register/check', { body, token: null })
    t.equal(outcome(await check({ username: 'bob' })), '403 invitation-required')
    t.equal(
      outcome(await check({ username: 'alice' })),
      '403 invitation-required',
      'strangers learn no names'
    )
    t.equal(outcome(await check({ username: 'Alice', invite })), '409 username-taken')
    for (let times = 0; times < 2; times++) expect(await check({ username: 'bob', invite }), 204)
    expect(await bob.register(invite), 201)
    for (let guess = 0; guess < 30; guess++)
      t.equal(
        outcome(await check({ username: 'carl', invite: `guess-${guess}` })),
        '403 invitation-unavailable'
      )
    t.equal(outcome(await check({ username: 'carl', invite: 'guess' })), '429 too-many-requests')
  }
)

t.test('On a server for this machine only, the first account is an admin’s, and no other', async (t) => {
  const chat = await startChat(t, { REGISTRATION: 'open' })
  const first = await newcomer(t, chat, 'alice')
  t.match(expect(await first.register(), 201).body.user, { role: 'admin' })
  const second = await newcomer(t, chat, 'bob')
  t.match(expect(await second.register(), 201).body.user, { role: 'member' })
})

t.test('On a server that others reach, nobody is admin for having come first', async (t) => {
  const chat = await startChat(t, { REGISTRATION: 'open', PUBLIC_URL: 'https://chat.example.org' })
  const first = await newcomer(t, chat, 'alice')
  t.match(expect(await first.register(), 201).body.user, { role: 'member' })
})
