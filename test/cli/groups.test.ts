import t from 'tap'
import { commandLine } from '../support/command-line.js'
import { startChat } from '../support/start-chat.js'

const { url } = await startChat(t)
const cli = commandLine(t, { SECURE_CHAT_URL: url })
const run = (who: string, line: string | string[]) => cli(line, { env: { SECURE_CHAT_PROFILE: who } })
for (const who of ['alice', 'bob', 'carol']) await run(who, `register ${who}`)

t.test('Only members can be removed, and members are not added twice', async (t) => {
  await run('alice', 'group create ops bob')
  t.match(await run('alice', 'group remove ops carol'), { code: 1, err: /carol is not in "ops"/ })
  t.match(await run('alice', 'group remove ops alice'), { code: 2, err: /group leave ops/ })
  t.match(await run('bob', 'group add ops alice'), { code: 0, err: 'alice is already in "ops".\n' })
  t.match(await run('alice', 'group add ops bob carol'), {
    code: 0,
    err: /bob is already in "ops"\.\ncarol was added to "ops"/
  })
  t.match(await run('alice', 'group remove ops carol'), { code: 0, err: 'carol was removed from "ops".\n' })
  const { out } = await run('bob', 'history ops')
  t.equal(
    out.split('\n').filter((line) => line.includes('names the group')).length,
    2,
    'for carol, and nobody else'
  )
})

t.test('A command finds a group by its newest title, without "listen"', async (t) => {
  await run('alice', 'group rename ops operations')
  t.match(await run('bob', 'group info ops'), { code: 1, err: /no group "ops"/ })
  t.match(await run('bob', 'send operations hi'), { code: 0 })
  await run('alice', 'group rename operations night')
  // More new messages than fit on a page.
  for (let i = 0; i < 60; i++) t.equal((await run('alice', ['send', 'night', `alert ${i}`])).code, 0)
  t.match(await run('bob', 'conversations'), { out: '  night  alice, bob' })
  t.match(await run('bob', 'send night hi'), { code: 0 })
})

t.test('"accept" names the command that renews a membership after a reset', async (t) => {
  await run('bob2', 'login bob --no-wait')
  t.equal((await run('bob2', 'devices reset --yes')).code, 0)
  t.match(await run('alice', 'send night secret'), { code: 1, err: /bob has a new identity/ })
  const { err } = await run('alice', 'accept bob')
  const [, command] = /^In "night" bob reads nothing .*: secure-chat (group renew .*)$/m.exec(err) ?? []
  t.match(await run('alice', 'send night early'), {
    code: 0,
    err: /bob has a new identity and cannot read this until an admin renews the membership\. See "secure-chat group info night"/
  })
  t.equal((await run('alice', command!)).code, 0)
  t.match(await run('alice', 'send night welcome'), { code: 0, err: '' })
  const { out } = await run('bob2', ['history', 'night'])
  t.match(out, 'welcome')
  t.notMatch(out, /secret|early/)
})

t.test('"history" shows the messages between two positions', async (t) => {
  const said = (await run('alice', 'history night --after 0 --limit 9 --json')).out.trim().split('\n')
  const positions = said.map((line) => (JSON.parse(line) as { position: number }).position)
  const between = await run(
    'alice',
    `history night --after ${positions[1]!} --before ${positions[4]!} --json`
  )
  t.strictSame(between.out.trim().split('\n'), said.slice(2, 4))
})
