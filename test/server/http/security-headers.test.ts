import { Agent } from 'node:http'
import { connect } from 'node:net'
import t, { type Test } from 'tap'
import { socketIn } from '../../support/admin.js'
import { call } from '../../support/interop/http.js'
import { user } from '../../support/people.js'
import { plainStream } from '../../support/plain-stream.js'
import { badHeaders } from '../../support/security-headers.js'
import { startChat } from '../../support/start-chat.js'

const chat = await startChat(t)
const alice = await user(t, chat, 'alice')

type Headers = Record<string, unknown>

/** The headers of the answer to bytes that need not be HTTP. */
async function headersFor(bytes: string): Promise<Headers> {
  const socket = connect(Number(new URL(chat.url).port), '127.0.0.1')
  socket.end(`${bytes}\r\n\r\n`)
  let text = ''
  for await (const part of socket.setEncoding('latin1')) text += part as string
  const [, ...lines] = text.split('\r\n\r\n', 1)[0]!.split('\r\n')
  return Object.fromEntries(
    lines.map((line) => [line.split(':')[0]!.toLowerCase(), line.replace(/^.*?: */, '')])
  )
}

async function headersOf(path: string, init: RequestInit = {}): Promise<Headers> {
  const answer = await fetch(`${chat.url}${path}`, init)
  await answer.arrayBuffer()
  return Object.fromEntries(answer.headers)
}

async function atSocket(t: Test, path: string): Promise<Headers> {
  const agent = new Agent({ socketPath: socketIn(chat.services.config.database.dataDir) } as object)
  t.teardown(() => agent.destroy())
  return (await call(chat.url, agent, { method: 'GET', path })).headers
}

t.test('Every answer carries the security headers, whoever refuses the request', async (t) => {
  const authorization = `Bearer ${alice.accessToken}`
  const host = 'Host: x\r\nConnection: close'
  const answers: Record<string, Headers | Promise<Headers>> = {
    'an answer': headersOf('/v1/users/me', { headers: { authorization } }),
    'an answer without a body': headersOf('/v1/auth/logout', { method: 'HEAD' }),
    'a page': headersOf('/', { headers: { accept: 'text/html' } }),
    'the document': headersOf('/openapi.json'),
    'no token': headersOf('/v1/users/me'),
    'no such address': headersOf('/nowhere'),
    'no such method': headersOf('/v1/users/me', { method: 'OPTIONS' }),
    'a body of another type': headersOf('/v1/auth/login', { method: 'POST', body: 'x' }),
    'an address that is not UTF-8': headersOf('/v1/users/%ff'),
    'a part of an address that is too long': headersOf(`/v1/users/${'a'.repeat(200)}`),
    'no host': headersFor('GET /healthz HTTP/1.1\r\nConnection: close'),
    'an expectation': headersFor(`GET /healthz HTTP/1.1\r\n${host}\r\nExpect: x`),
    'a header that is too large': headersFor(`GET / HTTP/1.1\r\n${host}\r\nX: ${'x'.repeat(17 * 1024)}`),
    'bytes that are not HTTP': headersFor('hello'),
    'a stream': (await plainStream(t, alice)).headers,
    'the socket of the administration': atSocket(t, '/v1/admin/stats'),
    'no such address at that socket': atSocket(t, '/v1/users/me')
  }
  for (const [what, headers] of Object.entries(answers)) t.strictSame(badHeaders(await headers), [], what)
})

const shared = (headers: Headers) => Object.keys(headers).filter((name) => name.startsWith('access-control-'))
const preflight = (origin: string) => ({
  method: 'OPTIONS',
  headers: {
    origin,
    'access-control-request-method': 'GET',
    'access-control-request-headers': 'authorization'
  }
})

t.test('Only pages of an origin in CORS_ORIGINS may read answers, and there is none at first', async (t) => {
  const origin = 'https://chat.example.org'
  t.strictSame(shared(await headersOf('/v1/server', { headers: { origin } })), [])
  t.strictSame(shared(await headersOf('/v1/users/me', preflight(origin))), [])

  const { url } = await startChat(t, { CORS_ORIGINS: origin })
  const ask = async (init: RequestInit) => (await fetch(`${url}/v1/users/me`, init)).headers
  const allowed = (headers: globalThis.Headers) => headers.get('access-control-allow-origin')
  t.equal(allowed(await ask(preflight(origin))), origin)
  t.equal(allowed(await ask({ headers: { origin } })), origin)
  for (const other of ['https://evil.example.org', 'http://chat.example.org', `${origin}.evil.org`, 'null']) {
    t.equal(allowed(await ask(preflight(other))), null, other)
    t.equal(allowed(await ask({ headers: { origin: other } })), null, other)
  }
  t.equal(
    (await ask(preflight(origin))).get('access-control-allow-credentials'),
    null,
    'there are no cookies'
  )
  t.strictSame(badHeaders(Object.fromEntries(await ask(preflight(origin)))), [])
})
