import { once } from 'node:events'
import { connect, type AddressInfo } from 'node:net'
import { setTimeout as pause } from 'node:timers/promises'
import { sql } from 'drizzle-orm'
import t from 'tap'
import { faultOf, startTarget, type Case } from '../../support/bad-input.js'
import { expect, type Answer } from '../../support/interop/http.js'

const target = await startTarget(t)
const { refuses } = target
const alice = await target.user('alice')
const { port } = target.app.server.address() as AddressInfo

const invalid = '400 invalid-request'
const malformed = '400 malformed-json'
const notFound = '404 not-found'
const credentials = JSON.stringify({ username: 'alice', password: alice.password })

const get = (path: string, headers: Record<string, string> = {}) => alice.raw('GET', path, { headers })
const login = (body: string | Uint8Array, headers: Record<string, string> = {}) =>
  alice.raw('POST', '/v1/auth/login', { body, headers, token: null })

/** What comes back for bytes that need not be HTTP; the last answer, as if it had been one of `raw`. */
async function bytes(text: string): Promise<Answer<unknown>> {
  const socket = connect(port, '127.0.0.1')
  let received = ''
  socket.setEncoding('latin1').on('data', (chunk: string) => (received += chunk))
  socket.on('error', () => undefined)
  socket.write(text, 'latin1')
  await Promise.race([once(socket, 'close'), pause(5000, undefined, { ref: false })])
  socket.destroy()
  const [head = '', body = ''] = received.split('\r\n\r\n')
  const lines = head
    .split('\r\n')
    .slice(1)
    .map((line) => line.split(/: */, 2) as [string, string])
  const headers = Object.fromEntries(lines.map(([name, value]) => [name.toLowerCase(), value]))
  return { status: Number(head.split(' ')[1]), headers, body: body === '' ? {} : JSON.parse(body) }
}

t.test('A body is one whole JSON document in UTF-8, without dangerous members', async (t) => {
  const utf16 = Buffer.from(credentials, 'utf16le')
  const latin1 = Buffer.from('{"username":"alice","password":"caf\u00e9 and croissant"}', 'latin1')
  const overlong = Buffer.concat([Buffer.from('{"username":"alice","password":"'), Buffer.from([0xc0, 0xaf])])
  const surrogate = Buffer.concat([
    Buffer.from('{"username":"alice","password":"'),
    Buffer.from([0xed, 0xa0, 0x80]),
    Buffer.from('0123456789"}')
  ])
  await refuses(t, [
    ['a body that ends too soon', malformed, () => login(credentials.slice(0, -1))],
    ['a body with more behind it', malformed, () => login(`${credentials}{}`)],
    ['a body with a comment', malformed, () => login(`/* hello */${credentials}`)],
    ['a body with a comma too many', malformed, () => login(credentials.replace('}', ',}'))],
    ['a body in single quotes', malformed, () => login(credentials.replaceAll('"', "'"))],
    ['a body with a line break in a text', malformed, () => login(credentials.replace('alice', 'ali\nce'))],
    ['a body with a NUL', malformed, () => login(credentials.replace('alice', 'ali\0ce'))],
    ['a body of nothing but spaces', malformed, () => login('   ')],
    ['a body that is a word', malformed, () => login('undefined')],
    ['a body of brackets without end', malformed, () => login('['.repeat(60_000))],
    ['a body of brackets', invalid, () => login('['.repeat(30_000) + ']'.repeat(30_000))],
    ['a body in UTF-16', malformed, () => login(utf16)],
    ['a body in Latin-1', malformed, () => login(latin1), /UTF-8/],
    ['a body with an overlong slash', malformed, () => login(overlong), /UTF-8/],
    ['a body with a surrogate in UTF-8', malformed, () => login(surrogate), /UTF-8/],
    [
      'a compressed body',
      malformed,
      () => login(Buffer.from([0x1f, 0x8b, 8, 0]), { 'content-encoding': 'gzip' })
    ],
    ['`__proto__`', malformed, () => login(credentials.replace('{', '{"__proto__":{"admin":true},'))],
    ['`__proto__` in disguise', malformed, () => login(credentials.replace('{', '{"__pr\\u006fto__":{},'))],
    [
      '`constructor.prototype`',
      malformed,
      () => login(credentials.replace('{', '{"constructor":{"prototype":{"admin":true}},'))
    ],
    ['`toString`', invalid, () => login(credentials.replace('{', '{"toString":1,'))],
    ['a name that is half a character', invalid, () => login(credentials.replace('{', '{"\\ud800":1,'))],
    ['null', invalid, () => login('null')],
    ['a list', invalid, () => login('[]')],
    ['a text', invalid, () => login('"alice"')],
    ['a number', invalid, () => login('1e999')],
    ['nothing, said to be JSON', invalid, () => login('', { 'content-type': 'application/json' })],
    ['nothing', invalid, () => alice.raw('POST', '/v1/auth/login', { token: null })]
  ])
  expect(await login(`\ufeff${credentials}`), 200)
})

t.test('A body is application/json', async (t) => {
  const types = [
    'text/plain',
    'application/x-www-form-urlencoded',
    'multipart/form-data; boundary=x',
    'application/jsonx',
    'application/json5',
    'application/problem+json',
    'application/json, text/plain',
    'application',
    'json',
    '*/*',
    ''
  ]
  await refuses(
    t,
    types.map((type): Case => [
      `Content-Type: ${type}`,
      '415 unsupported-media-type',
      () => login(credentials, { 'content-type': type })
    ])
  )
  expect(await login(credentials, { 'content-type': 'application/json; charset=utf-8' }), 200)
})

t.test('A body has at most the size that its route allows', async (t) => {
  const tooLarge = '413 payload-too-large'
  const spaces = (count: number) => Buffer.alloc(count, 0x20)
  await refuses(t, [
    ['65,537 bytes to log in', tooLarge, () => login(spaces(65_537))],
    ['20 MiB to log in', tooLarge, () => login(spaces(20 * 2 ** 20))],
    [
      '16 MiB and a byte for a conversation',
      tooLarge,
      () => alice.raw('POST', '/v1/conversations', { body: spaces(16 * 2 ** 20 + 1) })
    ],
    [
      'a length that nobody sends',
      tooLarge,
      () =>
        bytes(
          'POST /v1/auth/login HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nContent-Length: 99999999999999\r\nConnection: close\r\n\r\n'
        )
    ],
    [
      'chunks without an announcement',
      tooLarge,
      () =>
        bytes(
          'POST /v1/auth/login HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nTransfer-Encoding: chunked\r\n' +
            `Connection: close\r\n\r\n${`ffff\r\n${' '.repeat(0xffff)}\r\n`.repeat(2)}0\r\n\r\n`
        )
    ]
  ])
})

t.test('Bytes that are not HTTP are answered with a problem document too', async (t) => {
  const request = (first: string, ...headers: string[]) =>
    bytes(`${[first, 'Host: x', ...headers].join('\r\n')}\r\n\r\n`)
  const line = 'GET /v1/server HTTP/1.1'
  await refuses(t, [
    ['a method of one’s own', invalid, () => request('FROB /v1/server HTTP/1.1')],
    ['another protocol', invalid, () => request('GET /v1/server SMTP/1.1')],
    ['a space in the address', invalid, () => request('GET /v1/ser ver HTTP/1.1')],
    ['letters in the address that are not ASCII', invalid, () => request('GET /v1/users/\xe9 HTTP/1.1')],
    ['a header with a NUL', invalid, () => request(line, 'X: a\0b')],
    ['a header without a name', invalid, () => request(line, ': b')],
    ['a header with a space in its name', invalid, () => request(line, 'X Y: b')],
    ['two lengths', invalid, () => request(line, 'Content-Length: 1', 'Content-Length: 2')],
    ['a negative length', invalid, () => request(line, 'Content-Length: -2')],
    [
      'a length and chunks, as smugglers do',
      invalid,
      () => request('POST /v1/auth/login HTTP/1.1', 'Content-Length: 2', 'Transfer-Encoding: chunked')
    ],
    ['a header of 17 KiB', '431 headers-too-large', () => request(line, `X: ${'x'.repeat(17 * 1024)}`)],
    [
      'an address of 17 KiB',
      '431 headers-too-large',
      () => request(`GET /${'x'.repeat(17 * 1024)} HTTP/1.1`)
    ],
    [
      '1,200 headers',
      '431 headers-too-large',
      () => request(line, ...Array<string>(1200).fill('Xxxxxxxx: yyyyyyyy'))
    ],
    ['a TLS hello', invalid, () => bytes('\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03')]
  ])
})

t.test('An address is percent-encoded UTF-8 of moderate length', async (t) => {
  await refuses(t, [
    ['a lone percent sign', invalid, () => get('/v1/users/%')],
    ['half an escape', invalid, () => get('/v1/users/%4')],
    ['an escape that is none', invalid, () => get('/v1/users/%zz')],
    ['an escape that is no UTF-8', invalid, () => get('/v1/users/%ff')],
    ['an overlong escape', invalid, () => get('/v1/users/%c0%af')],
    ['an escaped surrogate', invalid, () => get('/v1/users/%ed%a0%80')],
    ['a lone percent sign in the documentation', invalid, () => get('/docs/%')],
    ['a quote in a bad address', invalid, () => get('/v1/users/%"%22')],
    ['a name of 200 characters', invalid, () => get(`/v1/users/${'a'.repeat(200)}`)],
    ['a name of 9,000 characters', invalid, () => get(`/v1/users/${'a'.repeat(9000)}`)],
    ['a name of 100 characters', invalid, () => get(`/v1/users/${'a'.repeat(100)}`)],
    ['a thousand questions', invalid, () => get(`/v1/users/alice?${'after=1&'.repeat(1000)}`)],
    ['`__proto__` as a question', invalid, () => get('/v1/conversations?__proto__=1')],
    ['an escape in a question that is none', invalid, () => get('/v1/users?prefix=al%zz')],
    ['an escape in a question that is no UTF-8', invalid, () => get('/v1/users?prefix=ali%ff')]
  ])
})

t.test('Paths outside the routes are not found', async (t) => {
  const paths = [
    '/v1',
    '/v1/',
    '/v2/users/me',
    '/V1/users/me',
    '/v1/users/me/',
    '/v1//users/me',
    '/v1/users%2Fme',
    '/.env',
    '/package.json',
    '/docs/static/..%2f..%2f..%2fpackage.json',
    '/docs/nothing',
    '/metrics',
    '/v1/auth/login',
    '/%F0%9F%92%A9'
  ]
  await refuses(t, [
    ...paths.map((path): Case => [`GET ${path}`, notFound, () => get(path)]),
    ['a user of the name me%00', invalid, () => get('/v1/users/me%00')],
    ['a user of the name me;admin=1', invalid, () => get('/v1/users/me;admin=1')],
    ...['OPTIONS', 'PUT', 'DELETE', 'TRACE', 'PROPFIND', 'PURGE'].map((method): Case => [
      `${method} /v1/users/me`,
      notFound,
      () => alice.raw(method, '/v1/users/me')
    ]),
    ['PUT to log in', notFound, () => alice.raw('PUT', '/v1/auth/login', { body: credentials })],
    ['POST to nothing', notFound, () => alice.raw('POST', '/v1/nothing', { body: '{}' })],
    ['backslashes out of the documentation', invalid, () => get('/docs/static/..%5c..%5cpackage.json')],
    ['the root folder in the documentation', invalid, () => get('/docs/static//etc/passwd')],
    ['a NUL in the documentation', invalid, () => get('/docs/static/index.html%00')]
  ])
  const head = await alice.raw('HEAD', '/v1/nothing')
  t.equal(head.status, 404)
  t.equal(head.body, undefined)
})

t.test('Node.js’ own refusals are problem documents, too', async (t) => {
  const tail = 'Connection: close\r\n\r\n'
  await refuses(t, [
    ['a request without Host', invalid, () => bytes(`GET /healthz HTTP/1.1\r\n${tail}`)],
    ['a request without a version', invalid, () => bytes('GET /healthz\r\n\r\n')],
    [
      'an expectation that nobody meets',
      '417 expectation-failed',
      () => bytes(`GET /healthz HTTP/1.1\r\nHost: x\r\nExpect: x\r\n${tail}`)
    ]
  ])
  t.equal((await bytes(`GET /healthz HTTP/1.0\r\n${tail}`)).status, 200, 'HTTP/1.0 has no Host')
})

t.test('Each call declares what may come before it is looked at', async (t) => {
  const { body } = await alice.raw<{ paths: Record<string, Record<string, { responses: object }>> }>(
    'GET',
    '/openapi.json'
  )
  for (const [path, operations] of Object.entries(body.paths))
    for (const [method, { responses }] of Object.entries(operations)) {
      const expected = method === 'get' ? ['408', '417', '431'] : ['408', '413', '415', '417', '431']
      const missing = expected.filter((status) => !(status in responses))
      t.strictSame(missing, [], `${method} ${path}`)
    }
  await refuses(t, [
    [
      'a log-out with a text',
      '415 unsupported-media-type',
      () => alice.raw('POST', '/v1/auth/logout', { body: 'x', headers: { 'content-type': 'text/plain' } })
    ],
    [
      'a log-out with a book',
      '413 payload-too-large',
      () => alice.raw('POST', '/v1/auth/logout', { body: JSON.stringify('x'.repeat(70_000)) })
    ]
  ])
})

t.test('Without a token no answer shows what exists', async (t) => {
  const routes: [string, string][] = [
    ['GET', '/v1/users/me'],
    ['GET', '/v1/users/alice'],
    ['GET', '/v1/users/%00'],
    ['GET', '/v1/users?prefix=ali'],
    ['GET', '/v1/devices'],
    ['POST', '/v1/devices'],
    ['GET', '/v1/auth/sessions'],
    ['GET', '/v1/conversations'],
    ['POST', '/v1/conversations'],
    ['GET', '/v1/conversations/x/messages'],
    ['POST', '/v1/conversations/x/messages'],
    ['GET', '/v1/events?after=garbage'],
    ['GET', '/v1/presence'],
    ['POST', '/v1/auth/logout']
  ]
  await refuses(
    t,
    routes.map(([method, path]): Case => [
      `${method} ${path}`,
      '401 unauthenticated',
      () => alice.raw(method, path, { token: null, ...(method === 'POST' && { body: '{' }) })
    ])
  )
})

t.test('A client that leaves in the middle of its request causes no database error', async (t) => {
  const socket = connect(port, '127.0.0.1')
  const gone = once(socket, 'close')
  socket.write(
    'POST /v1/auth/login HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nContent-Length: 100\r\n\r\n{"us'
  )
  await pause(50)
  socket.destroy()
  await gone
  await pause(50)
  t.strictSame(target.log, [])
})

t.test('An internal error is in no answer, and in the log without its values', async (t) => {
  const { db } = target.services
  await db.execute(sql`alter table users add constraint nobody_new check (username <> 'eve')`)
  const eve = await target.device('eve')
  const answer = await eve.register()
  t.equal(faultOf(answer, '500 internal-error'), null)
  const [line = '', ...more] = target.log
  t.strictSame(more, [])
  const logged = JSON.parse(line) as { instance: string; err: { cause: Record<string, unknown> } }
  t.equal(logged.instance, (answer.body as unknown as { instance: string }).instance)
  t.match(logged.err.cause, { code: '23514', constraint: 'nobody_new', table: 'users' })
  for (const secret of ['pbkdf2', eve.password, eve.keys.signingFp, eve.keys.encryptionFp])
    t.notOk(line.includes(secret), `${secret.slice(0, 12)}… is not in the log`)
  target.log.length = 0
})

t.test('Refused requests leave nothing in the log', async (t) => {
  t.strictSame(target.log, [])
})
