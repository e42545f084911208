import t from 'tap'
import { machine } from '../support/cli-process.js'
import { startServer } from '../support/server-process.js'

const server = await startServer(t)
const home = await machine(t, server.url)
await home.register('alice', 'bob')

/** The texts of a history, as a profile reads it. */
async function texts(profile: string, name: string): Promise<unknown[]> {
  return (await home.json(profile, ['history', name])).map(({ body, type }) => body ?? type)
}

t.test('A user is verified by the number that they read, and by nothing less', async (t) => {
  await home.ok('alice', ['send', 'bob', 'hello'])
  const { out, err } = await home.run('alice', ['verify', 'bob'])
  const number = out.trim()
  t.match(number, /^(\d{5} ?){12}$/)
  t.match(err, 'secure-chat verify bob NUMBER')
  t.match(await home.json('alice', ['contacts']), [{ username: 'bob', status: 'unverified' }])
  t.match(await home.run('alice', ['verify', 'bob', '12345']), { code: 2, err: /60 digits/ })
  t.match(await home.run('alice', ['verify', 'alice']), { code: 2, err: /your own name/ })
  await home.ok('alice', ['verify', 'bob', ...number.split(' ')])
  t.match(await home.json('alice', ['contacts']), [{ username: 'bob', status: /^verified$/ }])
})

t.test('After a reset, nothing is sent until the identity that was announced is accepted', async (t) => {
  await home.ok('phone2', ['login', 'bob', '--no-wait'])
  await home.ok('phone2', ['devices', 'reset', '--yes'])
  const listening = home.start('alice', ['listen'])
  await listening.shows(/Warning: bob has a new identity, not the one that you verified/)
  await listening.interrupted()
  const [, command, root] = /: secure-chat (accept bob ([0-9a-f]{64}))$/m.exec(listening.err) ?? []
  t.match(await home.run('alice', ['send', 'bob', 'who are you?']), {
    code: 1,
    err: /secure-chat accept bob/
  })
  t.match(await home.json('alice', ['contacts']), [{ status: 'changed', wasVerified: true, root }])
  t.match(await home.run('alice', ['accept', 'bob']), {
    code: 2,
    err: `Name the identity that you accept: secure-chat accept bob ${root}`
  })
  t.match(await home.run('alice', ['accept', 'bob', '0'.repeat(64)]), { code: 1, err: /another identity/ })
  t.match(await home.run('alice', ['accept', 'alice']), { code: 2, err: /nobody accepts themselves/ })
  t.match(await home.run('alice', ['send', 'bob', 'still not']), { code: 1 })
  await home.ok('alice', command!.split(' '))
  await home.ok('alice', ['send', 'bob', 'welcome back'])
  t.equal((await texts('phone2', 'alice')).at(-1), 'welcome back')
  t.match(await home.run('alice', ['accept', 'bob']), { code: 0, err: /nothing to accept/ })
})
