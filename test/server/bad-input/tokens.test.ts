import { createHmac, createSign, generateKeyPairSync, randomUUID } from 'node:crypto'
import { eq } from 'drizzle-orm'
import t from 'tap'
import { sessions } from '../../../src/server/db/schema.js'
import { startTarget, type Case } from '../../support/bad-input.js'
import { advanceClocks } from '../../support/clocks.js'
import { EMBEDDED } from '../../support/database-for-tests.js'
import { expect, problem, type SessionAnswer } from '../../support/interop/http.js'

const target = await startTarget(t, EMBEDDED)
const { refuses, services } = target
const alice = await target.user('alice')
const bob = await target.user('bob')

type Claims = Record<string, unknown>

const part = (value: unknown) => Buffer.from(JSON.stringify(value)).toString('base64url')
const claimsOf = (token: string) =>
  JSON.parse(Buffer.from(token.split('.')[1]!, 'base64url').toString()) as Claims
const now = Math.floor(Date.now() / 1000)
const good = claimsOf(alice.accessToken!)

function hmac(algorithm: string, claims: Claims, secret: string, hash = `sha${algorithm.slice(2)}`): string {
  const signed = `${part({ alg: algorithm, typ: 'JWT' })}.${part(claims)}`
  return `${signed}.${createHmac(hash, secret).update(signed).digest('base64url')}`
}
/** A token that this server could have made. */
const made = (changed: Claims = {}) =>
  hmac('HS256', Object.fromEntries(Object.entries({ ...good, ...changed })), services.secret)
const me = (token: string | null, path = '/v1/users/me', headers: Record<string, string> = {}) =>
  alice.raw('GET', path, { token, headers })
const withHeader = (authorization: string) => me(null, undefined, { authorization })
const refresh = (refreshToken: string) =>
  alice.raw<SessionAnswer>('POST', '/v1/auth/refresh', { token: null, body: { refreshToken } })

const unknown = '401 unauthenticated'
const ended = '401 session-ended'

t.test('An access token goes into the Authorization header and nowhere else', async (t) => {
  const token = alice.accessToken!
  await refuses(t, [
    ['no token', unknown, () => me(null)],
    ['a token in the address', unknown, () => me(null, `/v1/users/me?access_token=${token}`)],
    ['a token in the address of a stream', unknown, () => me(null, `/v1/events?token=${token}`)],
    ['a token in a cookie', unknown, () => me(null, undefined, { cookie: `token=${token}` })],
    ['a token in a header of its own', unknown, () => me(null, undefined, { 'x-access-token': token })],
    ['a token without its scheme', unknown, () => withHeader(token)],
    ['a scheme without a token', unknown, () => withHeader('Bearer')],
    ['another scheme', unknown, () => withHeader(`Basic ${token}`)],
    ['a username and a password', unknown, () => withHeader(`Basic ${btoa(`alice:${alice.password}`)}`)],
    ['two tokens', unknown, () => withHeader(`Bearer ${token} ${token}`)],
    ['two tokens with a comma', unknown, () => withHeader(`Bearer ${token}, Bearer ${token}`)]
  ])
  t.equal((await withHeader(`bearer ${token}`)).status, 200, 'the scheme is in any case')
})

t.test('An access token is one that this server signed with HMAC-SHA-256, and no other', async (t) => {
  const [header, payload, signature] = alice.accessToken!.split('.') as [string, string, string]
  const rsa = generateKeyPairSync('rsa', { modulusLength: 1024 })
  const publicPem = rsa.publicKey.export({ type: 'spki', format: 'pem' }).toString()
  const rs256 = () => {
    const signed = `${part({ alg: 'RS256', typ: 'JWT' })}.${part(good)}`
    return `${signed}.${createSign('sha256').update(signed).sign(rsa.privateKey, 'base64url')}`
  }
  const cases: [string, string][] = [
    ['garbage', 'garbage'],
    ['three times garbage', 'a.b.c'],
    ['three times nothing', '..'],
    ['a token of 5,000 characters', 'a'.repeat(5000)],
    ['a token cut short', alice.accessToken!.slice(0, -4)],
    ['a token without its signature', `${header}.${payload}.`],
    ['a token of two parts', `${header}.${payload}`],
    ['a token of four parts', `${header}.${payload}.${signature}.${signature}`],
    ['claims that were changed', `${header}.${part({ ...good, sub: bob.userId })}.${signature}`],
    ['claims that are no JSON', `${header}.${Buffer.from('{').toString('base64url')}.${signature}`],
    ['`alg: none` without a signature', `${part({ alg: 'none', typ: 'JWT' })}.${part(good)}.`],
    ['`alg: None` without a signature', `${part({ alg: 'None', typ: 'JWT' })}.${part(good)}.`],
    ['`alg: none` with the old signature', `${part({ alg: 'none' })}.${payload}.${signature}`],
    ['no `alg`', `${part({ typ: 'JWT' })}.${payload}.${signature}`],
    ['HS512 with the same secret', hmac('HS512', good, services.secret)],
    ['HS384 with the same secret', hmac('HS384', good, services.secret)],
    ['HS256 by name and SHA-512 in truth', hmac('HS256', good, services.secret, 'sha512')],
    ['HS256 with an empty secret', hmac('HS256', good, '')],
    ['RS256 with a key of one’s own', rs256()],
    ['HS256 with a public key of the user', hmac('HS256', good, alice.keys.signingKey)],
    ['HS256 with a public key of one’s own', hmac('HS256', good, publicPem)],
    ['another issuer', made({ iss: 'another-chat' })],
    ['no issuer', made({ iss: undefined })],
    ['another audience', made({ aud: 'another-chat' })],
    ['no audience', made({ aud: undefined })],
    ['no expiry', made({ exp: undefined })],
    ['an expiry that is a text', made({ exp: String(now + 900) })],
    ['an expiry that is null', made({ exp: null })],
    ['no time of issue', made({ iat: undefined })],
    ['no user', made({ sub: undefined })],
    ['no session', made({ sid: undefined })],
    ['a session’s id that is none', made({ sid: 'none' })],
    ['a session’s id that is a number', made({ sid: 7 })],
    ['a token of tomorrow', made({ nbf: now + 86_400 })],
    ['a refresh token', alice.refreshToken!]
  ]
  await refuses(
    t,
    cases.map(([wrong, token]): Case => [wrong, unknown, () => me(token)])
  )
  await refuses(t, [
    ['a token that has expired', '401 token-expired', () => me(made({ exp: now - 1 }))],
    ['a token of another user’s session', ended, () => me(made({ sub: bob.userId }))],
    ['a token of no session', ended, () => me(made({ sid: randomUUID() }))]
  ])
  t.equal((await me(made())).status, 200, 'while one with nothing wrong is good')
  t.equal((await me(alice.accessToken!)).status, 200)
})

t.test('A token that expires while it is in use is refused from then on', async (t) => {
  const token = made({ exp: Math.floor(Date.now() / 1000) + 60 })
  t.equal((await me(token)).status, 200)
  advanceClocks(t, 61_000)
  await refuses(t, [['the same token a minute later', '401 token-expired', () => me(token)]])
})

t.test('A refresh token is one that this server made for a session that lasts', async (t) => {
  const token = alice.refreshToken!
  const bytes = Buffer.from(token, 'base64url')
  const changed = (at: number) => {
    const copy = Buffer.from(bytes)
    copy[at]! ^= 1
    return copy.toString('base64url')
  }
  await refuses(t, [
    ['an access token, which is far longer', '400 invalid-request', () => refresh(alice.accessToken!)]
  ])
  await refuses(
    t,
    (
      [
        ['garbage', 'garbage'],
        ['a session’s id', String(good['sid'])],
        ['a token cut short', token.slice(0, -2)],
        ['a token with more behind it', `${token}AAAA`],
        ['a token with a line break behind it', `${token}\n`],
        ['a token in another alphabet', bytes.toString('base64')],
        ['a token of another session', changed(0)],
        ['a token of another generation', changed(19)],
        ['a token with another seal', changed(30)],
        ['nothing but zeros', Buffer.alloc(bytes.length).toString('base64url')]
      ] as const
    )
      .filter(([, wrong]) => wrong !== token)
      .map(([wrong, refreshToken]): Case => [wrong, '401 invalid-refresh-token', () => refresh(refreshToken)])
  )
})

t.test('A refresh token that is used again within 10 seconds brings the same successor', async (t) => {
  const used = alice.refreshToken!
  const answers = await Promise.all([1, 2, 3].map(() => refresh(used)))
  t.strictSame(
    answers.map(({ status }) => status),
    [200, 200, 200],
    'also at the same moment'
  )
  t.equal(new Set(answers.map(({ body }) => body.refreshToken)).size, 1)
  for (const { body } of answers) t.equal((await me(body.accessToken)).status, 200)
  const next = expect(await refresh(answers[0]!.body.refreshToken), 200).body
  const old = await refresh(used)
  t.equal(`${old.status} ${problem(old)}`, ended, 'not when its successor has been used')
  t.equal(problem(await me(next.accessToken)), 'session-ended')
  expect(await alice.login(), 200)
})

t.test('A refresh token that is used twice ends the whole session and its stream', async (t) => {
  const stream = await alice.live({ resume: false })
  const used = alice.refreshToken!
  const { body: fresh } = expect(await refresh(used), 200)
  t.equal((await me(fresh.accessToken)).status, 200)
  advanceClocks(t, 11_000)
  const again = await refresh(used)
  t.equal(`${again.status} ${problem(again)}`, ended)
  await stream.waitFor((event) => event.event === 'session.ended', 'session.ended')
  await stream.over()
  await refuses(t, [
    ['the newest access token', ended, () => me(fresh.accessToken)],
    ['the older access token', ended, () => me(alice.accessToken!)],
    ['the newest refresh token', ended, () => refresh(fresh.refreshToken)],
    ['the one that was used twice', ended, () => refresh(used)]
  ])
  expect(await alice.login(), 200)
})

t.test('Tokens of a session that was revoked, has run out or was logged out are refused', async (t) => {
  const { accessToken: first, refreshToken: firstRefresh } = alice
  expect(await alice.logout(), 204)
  await refuses(t, [
    ['an access token after logging out', ended, () => me(first!)],
    ['a refresh token after logging out', ended, () => refresh(firstRefresh!)],
    ['logging out twice', ended, () => alice.logout()],
    [
      'sending with it',
      ended,
      () => alice.raw('POST', `/v1/conversations/${randomUUID()}/messages`, { body: {} })
    ],
    ['a stream with it', ended, () => me(first!, '/v1/events')]
  ])

  expect(await alice.login(), 200)
  const { accessToken: second, refreshToken: secondRefresh } = alice
  const sid = String(claimsOf(second!)['sid'])
  expect(await alice.login(), 200)
  expect(await alice.raw('DELETE', `/v1/auth/sessions/${sid}`), 204)
  await refuses(t, [
    ['an access token of a revoked session', ended, () => me(second!)],
    ['a refresh token of a revoked session', ended, () => refresh(secondRefresh!)]
  ])

  const { accessToken: third, refreshToken: thirdRefresh } = alice
  const past = new Date(Date.now() - 1000)
  await services.db
    .update(sessions)
    .set({ expiresAt: past })
    .where(eq(sessions.id, String(claimsOf(third!)['sid'])))
  services.sessions.forget(String(claimsOf(third!)['sid']))
  await refuses(t, [
    ['an access token of a session that has run out', ended, () => me(third!)],
    ['a refresh token of a session that has run out', ended, () => refresh(thirdRefresh!)]
  ])
})

t.test('Neither tokens nor warnings get into the log', async (t) => {
  t.strictSame(target.log, [])
})
