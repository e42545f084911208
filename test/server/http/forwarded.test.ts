import t from 'tap'
import { user } from '../../support/people.js'
import { startChat } from '../../support/start-chat.js'
import { expect, problem } from '../../support/interop/http.js'

const lines: string[] = []
const log = { write: (line: string) => void lines.push(line) }
const env = { RATE_LIMIT: 'on', RATE_LIMIT_AUTH: '10000', LOG_LEVEL: 'info' }
const chat = await startChat(t, { ...env, TRUST_PROXY: '127.0.0.1' }, log)
const alice = await user(t, chat, 'alice')

const login = (forwarded: string, password = alice.password, username = 'alice') =>
  alice.raw<{ accessToken: string }>('POST', '/v1/auth/login', {
    body: { username, password },
    token: null,
    headers: { 'x-forwarded-for': forwarded }
  })

/** The address that a session gets which begins with this header. */
async function addressOf(forwarded: string): Promise<string> {
  const { accessToken: token } = expect(await login(forwarded), 200).body
  const { body } = await alice.raw<{ items: { address: string; current: boolean }[] }>(
    'GET',
    '/v1/auth/sessions',
    { token }
  )
  return body.items.find(({ current }) => current)!.address
}

t.test('A forwarded address counts without its port, its brackets and its zone', async (t) => {
  t.equal(await addressOf('203.0.113.9'), '203.0.113.9')
  t.equal(await addressOf('203.0.113.9:50001'), '203.0.113.9')
  t.equal(await addressOf('[2001:db8::1]:50001'), '2001:db8::1')
  t.equal(await addressOf('[2001:db8::1]'), '2001:db8::1')
  t.equal(await addressOf('fe80::1%eth0'), 'fe80::1')
  t.equal(await addressOf('198.51.100.1, 203.0.113.9:443'), '203.0.113.9')
})

t.test('A text that is no address does not count, nor what stands before it', async (t) => {
  for (const text of [
    'unknown',
    '<b>x</b>',
    'a'.repeat(300),
    '300.1.1.1',
    '203.0.113.9:x',
    '[::1',
    ',',
    '_hidden'
  ])
    t.equal(await addressOf(text), '127.0.0.1', text)
  t.equal(await addressOf('198.51.100.1, garbage, 127.0.0.1'), '127.0.0.1')
  t.equal(await addressOf('garbage, 203.0.113.9'), '203.0.113.9')
})

t.test('Another port, or made-up text, is no new budget for guesses', async (t) => {
  for (let i = 0; i < 10; i++)
    expect(
      await login(`${i % 2 === 0 ? `garbage${i}, ` : ''}192.0.2.7:${5000 + i}`, 'a wrong pass phrase'),
      401
    )
  t.equal(problem(await login('192.0.2.7:6000', 'a wrong pass phrase')), 'too-many-requests')
})

t.test('Failed log-ins are in the log at info, with the address and why, and without the name', async (t) => {
  lines.length = 0
  expect(await login('192.0.2.8'), 200)
  t.strictSame(lines, [], 'one that succeeds is not')
  expect(await login('192.0.2.8', 'a wrong pass phrase'), 401)
  expect(await login('192.0.2.9', 'a wrong pass phrase', 'nobody'), 401)
  expect(await login('192.0.2.7', 'a wrong pass phrase'), 429)
  const told = lines.map((line) => JSON.parse(line) as Record<string, unknown>)
  t.match(told, [
    { level: 30, msg: 'log-in failed', address: '192.0.2.8', reason: 'wrong-password', instance: /./ },
    { level: 30, msg: 'log-in failed', address: '192.0.2.9', reason: 'unknown-name' },
    { level: 30, msg: 'log-in failed', address: '192.0.2.7', reason: 'limit-reached' }
  ])
  t.equal(told.length, 3)
  t.notMatch(lines.join(), /alice|nobody|pass phrase/)
})

t.test('A forwarded address that does not count is told to the operator once', async (t) => {
  for (const TRUST_PROXY of ['off', '10.0.0.7']) {
    const { url } = await startChat(t, { ...env, TRUST_PROXY }, log)
    lines.length = 0
    for (let i = 0; i < 3; i++)
      await fetch(`${url}/healthz`, { headers: { 'x-forwarded-for': '203.0.113.9' } })
    t.equal(lines.length, 1, TRUST_PROXY)
    t.match(lines[0], /"level":40.*"peer":"127\.0\.0\.1".*X-Forwarded-For is ignored: TRUST_PROXY/)
  }
})

t.test('Without TRUST_PROXY nobody chooses the address that counts for them', async (t) => {
  const direct = await startChat(t, env)
  const bob = await user(t, direct, 'bob')
  const body = { username: 'bob', password: 'a wrong pass phrase' }
  const guess = (address: string) =>
    bob.raw('POST', '/v1/auth/login', { body, token: null, headers: { 'x-forwarded-for': address } })
  for (let i = 0; i < 10; i++) expect(await guess(`198.51.100.${i}`), 401)
  expect(await guess('198.51.100.10'), 429)
  const { body: page } = await bob.raw<{ items: { address: string }[] }>('GET', '/v1/auth/sessions')
  t.strictSame([...new Set(page.items.map(({ address }) => address))], ['127.0.0.1'])
})
