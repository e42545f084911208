import t from 'tap'
import { machine } from '../support/cli-process.js'
import { startServer } from '../support/server-process.js'

const server = await startServer(t, { env: { CONTACT_POLICY: 'requests' } })
const home = await machine(t, server.url)
await home.register('alice', 'bob', 'mallory')

t.test(
  'A stranger is announced in one line with the command that accepts, and nothing more is shown',
  async (t) => {
    const listening = home.start('alice', ['listen'])
    await listening.shows('Connected.')
    await home.ok('bob', ['send', 'alice', 'secret greeting'])
    await listening.shows(/bob, whom you do not know yet.*secure-chat accept-request [0-9a-f-]{36}/)
    await listening.interrupted()
    t.notMatch(listening.out, 'secret greeting')
    const [request, ...others] = await home.json('alice', ['requests'])
    t.match(request, { kind: 'direct', request: { by: 'bob' } })
    t.strictSame(others, [])
    t.match(await home.run('alice', ['conversations']), {
      out: /request of bob/,
      err: new RegExp(`secure-chat accept-request ${request!['id'] as string}`)
    })
    t.match(await home.run('alice', ['history', 'bob']), { code: 1, err: /secure-chat accept-request NAME/ })
    await home.ok('alice', ['accept-request', 'bob'])
    t.match(await home.run('alice', ['history', 'bob']), { code: 0, out: /secret greeting/ })
    t.match(await home.run('alice', ['accept-request', 'bob']), { code: 1, err: /secure-chat requests/ })
  }
)

t.test('Scripts hear of a request, too, and a group of strangers takes no name', async (t) => {
  const listening = home.start('alice', ['listen', '--json'])
  await listening.shows('Connected.')
  await home.ok('mallory', ['group', 'create', 'bob', 'alice'])
  await listening.shows(/"type":"request"/)
  await listening.interrupted()
  t.match(JSON.parse(listening.out.trim().split('\n').at(-1)!), { type: 'request', by: 'mallory' })
  t.match(await home.json('alice', ['requests']), [{ kind: 'group', title: null }])
  await home.ok('alice', ['send', 'bob', 'to the user'])
  t.match(await home.run('alice', ['decline-request', 'mallory']), {
    code: 0,
    err: /secure-chat block mallory/
  })
  t.strictSame(await home.json('alice', ['requests']), [])
})

t.test('A user who is blocked, or whom a policy refuses, begins nothing', async (t) => {
  await home.ok('alice', ['block', 'mallory'])
  t.strictSame(await home.json('alice', ['blocks']), [{ username: 'mallory' }])
  t.match(await home.run('mallory', ['send', 'alice', 'hello']), {
    code: 1,
    err: /alice takes no new conversations from you/
  })
  await home.ok('alice', ['unblock', 'mallory'])
  t.match(await home.run('alice', ['blocks']), { code: 0, out: /^$/ })
  t.match(await home.run('alice', ['contacts', 'policy']), { out: /^requests\n$/ })
  t.match(await home.run('alice', ['contacts', 'policy', 'nobody']), { out: /^nobody\n$/ })
  t.match(await home.run('mallory', ['send', 'alice', 'hello']), {
    code: 1,
    err: /takes no new conversations/
  })
  t.match(await home.run('alice', ['contacts', 'policy', 'friends']), {
    code: 2,
    err: /everyone, requests, nobody/
  })
  t.match(await home.run('alice', ['block', 'alice']), { code: 2, err: /blocks themselves/ })
})
