import t, { type Test } from 'tap'
import { user } from '../../../support/people.js'
import { startChat } from '../../../support/start-chat.js'
import { expect, problem, type Answer } from '../../../support/interop/http.js'
import type { InteropClient } from '../../../support/interop/client.js'

const chat = await startChat(t, {
  RATE_LIMIT: 'on',
  RATE_LIMIT_AUTH: '10000',
  TRUST_PROXY: '127.0.0.1'
})

/** A log-in as it comes through a proxy from this address. */
const login = (of: InteropClient, address: string, password = of.password, username = of.username) =>
  of.raw('POST', '/v1/auth/login', {
    body: { username, password },
    token: null,
    headers: { 'x-forwarded-for': address }
  })
const wrong = (of: InteropClient, address: string, username?: string) =>
  login(of, address, 'a wrong pass phrase', username)

function toWait(t: Test, answer: Answer<unknown>, longest: number): void {
  t.equal(`${answer.status} ${problem(answer)}`, '429 too-many-requests')
  const wait = Number(answer.headers['retry-after'])
  t.ok(wait > longest - 60 && wait <= longest, `Retry-After: ${wait}`)
}

t.test('After ten wrong passwords from one network its log-ins to that account wait', async (t) => {
  const [alice, bob] = [await user(t, chat, 'alice'), await user(t, chat, 'bob')]
  for (let i = 0; i < 10; i++) expect(await wrong(alice, '192.0.2.1'), 401)
  toWait(t, await wrong(alice, '192.0.2.1'), 900)
  toWait(t, await login(alice, '192.0.2.1'), 900)
  toWait(t, await login(alice, '192.0.2.1', alice.password, 'Alice'), 900)
  expect(await login(alice, '192.0.2.2'), 200)
  expect(await login(bob, '192.0.2.1'), 200)
  for (let i = 0; i < 10; i++) expect(await wrong(bob, `2001:db8::${i}`), 401)
  toWait(t, await login(bob, '2001:db8::ffff'), 900)
  expect(await login(bob, '2001:db8:0:1::1'), 200)
  expect(await alice.refresh(), 200)
  t.pass('sessions go on')
})

t.test('Unknown names wait as well', async (t) => {
  const carol = await user(t, chat, 'carol')
  for (let i = 0; i < 10; i++) expect(await wrong(carol, '192.0.2.3', 'nobody'), 401)
  toWait(t, await wrong(carol, '192.0.2.3', 'nobody'), 900)
})

t.test('Passwords that are tried all at once are counted as well', async (t) => {
  const dave = await user(t, chat, 'dave', { connections: 20 })
  const answers = await Promise.all(Array.from({ length: 20 }, () => wrong(dave, '192.0.2.4')))
  const statuses = answers.map(({ status }) => status)
  t.equal(statuses.filter((status) => status === 401).length, 10)
  t.equal(statuses.filter((status) => status === 429).length, 10)
})

t.test('Many right log-ins at once wait for each other, no quarter of an hour', async (t) => {
  const slow = await startChat(t, {
    RATE_LIMIT: 'on',
    PASSWORD_ITERATIONS: '600000',
    TRUST_PROXY: '127.0.0.1'
  })
  const grace = await user(t, slow, 'grace', { connections: 20 })
  const answers = await Promise.all(Array.from({ length: 20 }, () => login(grace, '192.0.2.6')))
  // Some may be refused for a moment where many cores hash at the same time.
  const refused = answers.filter(({ status }) => status !== 200)
  t.ok(refused.length < 10)
  for (const answer of refused) toWait(t, answer, 1)
  expect(await login(grace, '192.0.2.6'), 200)
})

t.test('The right password clears the wrong ones before it', async (t) => {
  const erin = await user(t, chat, 'erin')
  for (let round = 0; round < 3; round++) {
    for (let i = 0; i < 9; i++) expect(await wrong(erin, '192.0.2.5'), 401)
    expect(await login(erin, '192.0.2.5'), 200)
  }
  for (let i = 0; i < 12; i++) expect(await login(erin, '192.0.2.5'), 200)
  t.pass('and may be used as often as one likes')
})

t.test(
  'A hundred wrong passwords from anywhere stop all log-ins except from networks that the owner has used',
  async (t) => {
    const frank = await user(t, chat, 'frank')
    const home = '198.51.100.1'
    const office = '198.51.100.2'
    expect(await login(frank, home), 200)
    const { refreshToken } = frank
    const headers = { 'x-forwarded-for': office }
    expect(await frank.raw('POST', '/v1/auth/refresh', { body: { refreshToken }, token: null, headers }), 200)

    for (let network = 0; network < 10; network++) {
      const tries = Array.from({ length: 10 }, () => wrong(frank, `203.0.113.${network}`))
      for (const answer of await Promise.all(tries)) expect(answer, 401)
    }
    toWait(t, await wrong(frank, '203.0.113.99'), 3600)
    toWait(t, await login(frank, '203.0.113.99'), 3600)
    expect(await login(frank, home), 200)
    expect(await login(frank, office), 200)
    for (let i = 0; i < 10; i++) expect(await wrong(frank, home), 401)
    toWait(t, await login(frank, home), 900)
  }
)

t.test('RATE_LIMIT=off takes these limits away too', async (t) => {
  const free = await startChat(t, { RATE_LIMIT: 'off', TRUST_PROXY: '127.0.0.1' })
  const grace = await user(t, free, 'grace')
  for (let i = 0; i < 12; i++) expect(await wrong(grace, '192.0.2.6'), 401)
  t.equal((await login(grace, '192.0.2.6')).status, 200)
})
