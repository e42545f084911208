import t from 'tap'
import { cheapKeys } from '../../support/bad-input.js'
import { anotherSession, user } from '../../support/people.js'
import { startChat } from '../../support/start-chat.js'
import { expect, type Answer } from '../../support/interop/http.js'
import { InteropClient } from '../../support/interop/client.js'

const budgets = { AUTH: 8, READ: 5, WRITE: 4, SEND: 3 }
const chat = await startChat(t, {
  RATE_LIMIT: 'on',
  TRUST_PROXY: '127.0.0.1',
  ...Object.fromEntries(
    Object.entries(budgets).map(([name, budget]) => [`RATE_LIMIT_${name}`, String(budget)])
  )
})
const nobody = await InteropClient.create(chat.url, 'nobody', { keys: cheapKeys() })
t.teardown(() => nobody.close())

/** A request as it comes through a proxy from this address. */
const from = (of: InteropClient, address: string, method: string, path: string, body?: unknown) =>
  of.raw(method, path, { headers: { 'x-forwarded-for': address }, ...(body !== undefined && { body }) })
const login = (address: string) =>
  from(nobody, address, 'POST', '/v1/auth/login', { username: 'nobody', password: 'no password' })
const limitsOf = ({ headers }: Answer<unknown>) =>
  ['limit', 'remaining'].map((name) => Number(headers[`ratelimit-${name}`]))

t.test(
  'Each class of routes has one budget a minute, and every answer says how much of it is left',
  async (t) => {
    const alice = await user(t, chat, 'alice')
    const routes = [
      '/v1/users/me',
      '/v1/auth/sessions',
      '/v1/devices',
      '/v1/conversations',
      '/v1/users?prefix=ali'
    ]
    for (const [i, path] of routes.entries()) {
      const answer = expect(await alice.raw('GET', path), 200)
      t.strictSame(limitsOf(answer), [budgets.READ, budgets.READ - i - 1], path)
      const reset = Number(answer.headers['ratelimit-reset'])
      t.ok(reset > 0 && reset <= 60)
    }
    for (const path of routes.slice(0, 2)) {
      const answer = await alice.raw<{ instance: string }>('GET', path)
      t.equal(answer.status, 429)
      t.equal(answer.headers['content-type'], 'application/problem+json; charset=utf-8')
      t.match(answer.body, { type: '/problems/too-many-requests', status: 429, instance: String })
      const wait = Number(answer.headers['retry-after'])
      t.ok(Number.isInteger(wait) && wait > 0 && wait <= 60, `Retry-After: ${wait}`)
      t.strictSame(limitsOf(answer), [budgets.READ, 0])
    }
    const id = '1b4e28ba-2fa1-41d2-883f-0016d3cca427'
    const sent = await alice.raw('POST', `/v1/conversations/${id}/messages`, { body: {} })
    t.strictSame(
      [sent.status, ...limitsOf(sent)],
      [400, budgets.SEND, budgets.SEND - 1],
      'sending has its own'
    )
    const written = await alice.raw('DELETE', `/v1/auth/sessions/${id}`)
    t.strictSame(
      [written.status, ...limitsOf(written)],
      [404, budgets.WRITE, budgets.WRITE - 1],
      'so has writing'
    )
  }
)

t.test('Requests with a session are counted by user, from any address', async (t) => {
  const [bob, carol] = [await user(t, chat, 'bob'), await user(t, chat, 'carol')]
  for (let i = 0; i < budgets.READ; i++)
    expect(await from(bob, `198.51.100.${i}`, 'GET', '/v1/users/me'), 200)
  expect(await from(bob, '198.51.100.99', 'GET', '/v1/users/me'), 429)
  expect(await from(carol, '198.51.100.99', 'GET', '/v1/users/me'), 200)
  t.pass('another user at the same address goes on')
})

t.test('Requests that lead to a session are counted together, by address', async (t) => {
  const path = '/v1/auth/refresh'
  for (let i = 0; i < budgets.AUTH - 1; i++) expect(await login('203.0.113.1'), 401)
  expect(await from(nobody, '203.0.113.1', 'POST', path, { refreshToken: 'a'.repeat(75) }), 400, 401)
  expect(await login('203.0.113.1'), 429)
  expect(await from(nobody, '203.0.113.1', 'POST', path, { refreshToken: 'a'.repeat(75) }), 429)
  expect(await login('203.0.113.2'), 401)

  for (let i = 0; i < budgets.AUTH; i++) expect(await login(`2001:db8::${i + 1}`), 401)
  expect(await login('2001:db8::ffff'), 429)
  expect(await login('2001:db8:0:1::1'), 401)
  t.pass('of IPv6 the first 64 bits are the address')
})

t.test('A refresh counts for its session, and a bad refresh token for the address', async (t) => {
  const fred = await user(t, chat, 'fred')
  const refresh = (of: InteropClient, refreshToken = of.refreshToken!) =>
    from(of, '203.0.113.9', 'POST', '/v1/auth/refresh', { refreshToken })
  const forged = fred.refreshToken!.replace(/^./, (first) => (first === 'A' ? 'B' : 'A'))
  for (let i = 0; i < budgets.AUTH; i++) expect(await refresh(nobody, forged), 401)
  expect(await refresh(nobody, forged), 429)
  expect(await login('203.0.113.9'), 429)
  for (const session of [fred, await anotherSession(t, fred)]) {
    for (let i = 0; i < budgets.AUTH; i++) expect(await refresh(session), 200)
    const { headers } = expect(await refresh(session), 429)
    t.ok(Number(headers['retry-after']) > 0)
  }
})

t.test('An address that sends bad tokens must wait; users who are logged in there need not', async (t) => {
  const erin = await user(t, chat, 'erin')
  const later = await anotherSession(t, erin)
  const ask = (address: string, of: InteropClient, token = of.accessToken!) =>
    of.raw('GET', '/v1/auth/sessions', { token, headers: { 'x-forwarded-for': address } })
  expect(await ask('192.0.2.7', erin), 200)
  const bad = [erin.accessToken!.replace(/.$/, '!'), 'garbage', '', `${later.accessToken}A`, 'x.y.z']
  t.equal(bad.length, budgets.READ)
  for (const token of bad) expect(await ask('192.0.2.7', erin, token), 401)
  for (const token of ['garbage', '']) {
    const { status, headers, body } = await ask('192.0.2.7', erin, token)
    t.match({ status, body }, { status: 429, body: { type: '/problems/too-many-requests' } })
    const wait = Number(headers['retry-after'])
    t.ok(wait > 0 && wait <= 60, `Retry-After: ${wait}`)
  }
  expect(await ask('192.0.2.7', erin), 200)
  expect(await ask('192.0.2.7', later), 200)
  t.pass('nor those whose token comes for the first time')
  expect(await ask('192.0.2.8', erin, 'garbage'), 401)
})

t.test('Public pages are limited too, and health checks are not', async (t) => {
  for (const path of ['/v1/server', '/openapi.json', '/docs/', '/docs/static/swagger-ui.css', '/docs/json'])
    t.equal((await from(nobody, '192.0.2.1', 'GET', path)).status, 200, path)
  expect(await from(nobody, '192.0.2.1', 'GET', '/openapi.json'), 429)
  for (const path of ['/healthz', '/readyz'])
    for (let i = 0; i < 20; i++) {
      const { headers } = expect(await from(nobody, '192.0.2.1', 'GET', path), 200)
      if ('ratelimit-limit' in headers) t.fail(`${path} says a limit`)
    }
})

t.test('RATE_LIMIT=off takes all limits away, and the headers with them', async (t) => {
  const free = await startChat(t, { RATE_LIMIT: 'off', RATE_LIMIT_READ: '1', MAX_CLIENTS_PER_USER: '1' })
  const alice = await user(t, free, 'alice')
  for (let i = 0; i < 10; i++) {
    const { headers } = expect(await alice.raw('GET', '/v1/users/me'), 200)
    t.strictSame(
      Object.keys(headers).filter((name) => /ratelimit|retry-after/.test(name)),
      []
    )
  }
  for (const stream of [await alice.live(), await alice.live()]) t.equal(stream.status, 200)
})
