import t from 'tap'
import { MemoryStore } from '../../../src/client/index.js'
import { failure, Listener, registered, texts } from '../../support/chat-clients.js'
import { machine } from '../../support/cli-process.js'
import { shortenWaits } from '../../support/short-waits.js'
import { startServer } from '../../support/server-process.js'
import { tamperingProxy, type Foreign } from '../../support/tampering-proxy.js'

shortenWaits(t)
const server = await startServer(t)
const proxy = await tamperingProxy(t, server.url)
const alice = await registered(t, proxy.url, 'alice')
const bob = await registered(t, server.url, 'bob')
const { id: conversationId } = await alice.conversations.direct('bob')

function answerAll(foreign: Foreign): void {
  proxy.tamper({ instead: () => foreign })
}

/** What proxies, filters, hotels and other servers say. */
const FOREIGN: readonly Foreign[] = [
  ...[200, 400, 401, 403, 404, 413, 429, 431, 451, 503].map((status) => ({ status })),
  { status: 302, headers: { location: '/login?from=chat' } },
  { status: 204 },
  { status: 404, headers: { 'content-type': 'application/json' }, body: '{"error":"no such service"}' },
  {
    status: 403,
    headers: { 'content-type': 'application/problem+json' },
    body: '{"type":"https://waf.example/problems/blocked","status":403,"detail":"Blocked."}'
  }
]

t.test(
  'An answer that is not the server’s decides nothing: messages stay, and arrive once, in order',
  async (t) => {
    const sent: string[] = []
    for (const foreign of FOREIGN) {
      answerAll(foreign)
      const text = `during ${foreign.status} ${sent.length}`
      const error = await failure(alice.send(conversationId, text))
      t.match(error, {
        kind: 'unreachable',
        code: 'not-the-server',
        message: String(foreign.status === 302 ? 'redirect' : foreign.status)
      })
      t.match(await failure(alice.flush()), { code: 'not-the-server' }, 'flush says so')
      sent.push(text)
    }
    proxy.tamper({})
    t.equal((await alice.flush()).length, sent.length)
    t.strictSame(await texts(bob, conversationId), sent)
  }
)

t.test('Nor does a refusal of the server which is not about the message', async (t) => {
  for (const [code, status] of [
    ['not-found', 404],
    ['malformed-json', 400],
    ['headers-too-large', 431],
    ['device-pending', 403]
  ] as const) {
    const headers = { 'content-type': 'application/problem+json' }
    answerAll({ status, headers, body: JSON.stringify({ type: `/problems/${code}`, status }) })
    t.match(await failure(alice.send(conversationId, code)), { kind: 'refused', code })
    proxy.tamper({})
    t.equal((await alice.flush()).length, 1, code)
  }
})

t.test('A message waits while others are faster, or may send more', async (t) => {
  const headers = { 'content-type': 'application/problem+json', 'retry-after': '3600' }
  for (const [code, status] of [
    ['stale-chain', 409],
    ['stale-roster', 409],
    ['key-not-due', 409],
    ['too-many-requests', 429]
  ] as const) {
    const id = crypto.randomUUID()
    const body = JSON.stringify({ type: `/problems/${code}`, status })
    proxy.tamper({ instead: ({ method }) => (method === 'POST' ? { status, headers, body } : undefined) })
    t.match(await failure(alice.send(conversationId, code, { id })), { kind: 'refused', code })
    t.ok(await alice.isQueued(id))
    proxy.tamper({})
    t.strictSame(await alice.flush(), [id], code)
    t.notOk(await alice.isQueued(id))
  }
})

t.test('A redirect is not followed: the error says where it leads', async (t) => {
  answerAll({ status: 301, headers: { location: 'https://portal.example/login?token=1' } })
  const { message } = await failure(alice.server())
  t.equal(message, 'What answered is not the chat server (a redirect to https://portal.example/login).')
  proxy.tamper({})
})

t.test('Only the server ends a session', async (t) => {
  const unauthorized = { status: 401, headers: { 'www-authenticate': 'Basic realm="proxy"' } }
  answerAll(unauthorized)
  t.match(await failure(alice.sessions.list()), { code: 'not-the-server' })
  const wrongToken = { status: 401, headers: { 'content-type': 'application/problem+json' } }
  const body = JSON.stringify({ type: '/problems/token-expired', status: 401 })
  proxy.tamper({
    instead: ({ path }) => (path === '/v1/auth/refresh' ? unauthorized : { ...wrongToken, body })
  })
  t.match(await failure(alice.sessions.list()), { code: 'not-the-server' }, 'nor at a refresh')
  t.equal(alice.account?.loggedIn, true)
  proxy.tamper({})
  t.equal((await alice.sessions.list()).length, 1)
})

t.test('The keys of a device are destroyed also when the server is away', async (t) => {
  const store = new MemoryStore()
  const chat = await registered(t, proxy.url, 'dora', { store })
  answerAll({ status: 502 })
  t.match(await failure(chat.logout()), { kind: 'unreachable' })
  t.equal(chat.account?.loggedIn, true, 'without `forget` nothing changes')
  t.strictSame(await chat.logout({ forget: true }), { isEnded: false })
  t.equal(chat.account, null)
  t.strictSame(await store.list(''), [])
  proxy.tamper({})
})

t.test('Events come again when the server answers again', async (t) => {
  const listener = new Listener(t, alice)
  await listener.first('connected')
  for (const status of [403, 404, 401, 200, 302]) {
    answerAll({ status })
    listener.heard.length = 0
    proxy.cut()
    t.match(await listener.first('disconnected', ({ error }) => error !== undefined), {
      error: { code: 'not-the-server' }
    })
    proxy.tamper({})
    await listener.first('connected')
  }
  await bob.send(conversationId, 'still there?')
  await listener.message('still there?')
  await listener.stop()
})

t.test('The command line says who may have answered, and exits with 3', async (t) => {
  const home = await machine(t, proxy.url)
  await home.register('carla')
  answerAll({ status: 404 })
  const { code, err } = await home.run('carla', ['send', 'bob', 'hello'])
  t.equal(code, 3)
  t.match(err, /What answered is not the chat server \(status 404\)\.\n.*Is the address right\?/)
  answerAll({ status: 502 })
  t.match(await home.run('carla', ['conversations']), { code: 3, err: /A proxy answers in its place/ })
  const limited = { type: '/problems/too-many-requests', status: 429, detail: 'Too many.' }
  const headers = { 'content-type': 'application/problem+json', 'retry-after': '3600' }
  const busy = { status: 429, headers, body: JSON.stringify(limited) }
  const isSend = ({ path }: { path: string }): boolean => path.endsWith('/messages')
  proxy.tamper({})
  await home.ok('carla', ['send', 'bob', 'hello'])
  proxy.tamper({ instead: (asked) => (isSend(asked) ? busy : undefined) })
  t.match(await home.run('carla', ['send', 'bob', 'later']), {
    code: 3,
    err: /without sending it twice, add: --id/
  })
  answerAll({ status: 401 })
  t.match(await home.run('carla', ['whoami']), { code: 0 })
  t.match(await home.run('carla', ['conversations']), { code: 3 })
  const listening = home.start('carla', ['listen'])
  await listening.shows(/What answered is not the chat server \(status 401\)/)
  proxy.tamper({})
  await listening.shows('Connected')
  t.equal((await listening.interrupted()).code, 0)
  answerAll({ status: 502 })
  t.match(await home.run('carla', ['logout', '--forget', '--yes']), {
    code: 0,
    err: /^The server could not be told[^]*^The keys are destroyed\.$/m
  })
  t.match(await home.run('carla', ['whoami']), { code: 2, err: /no account in the profile/ })
})
