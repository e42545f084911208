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

t.test('Several members are removed in one step', async (t) => {
  await run('alice', 'group create pair bob carol')
  t.match(await run('alice', 'group remove pair bob carol'), {
    code: 0,
    err: 'bob was removed from "pair".\ncarol was removed from "pair".\n'
  })
  const { out } = await run('alice', 'group info pair')
  t.notMatch(out, /bob|carol/)
})

t.test('A command finds a group by its newest title, without "listen"', async (t) => {
  await run('alice', 'group rename ops operations')
  t.match(await run('bob', 'group info ops'), { code: 1, err: /no group "ops"/ })
  t.match(await run('bob', 'send operations hi'), { code: 0 })
  await run('alice', 'group rename operations night')
  // More new messages than fit on a page.
  for (let i = 0; i < 60; i++) t.equal((await run('alice', ['send', 'night', `alert ${i}`])).code, 0)
  t.match(await run('bob', 'conversations'), { out: '  "night"  alice, bob' })
  t.match(await run('bob', 'send night hi'), { code: 0 })
})

t.test('"accept" names the command that renews a membership after a reset', async (t) => {
  await run('bob2', 'login bob --no-wait')
  t.equal((await run('bob2', 'devices reset --yes')).code, 0)
  t.match(await run('alice', 'send night secret'), {
    code: 0,
    err: /^Warning: bob has a new identity: [0-9a-f]{64}\./
  })
  const refused = await run('alice', 'accept bob')
  const [, accept] = /secure-chat (accept bob [0-9a-f]{64})$/m.exec(refused.err) ?? []
  const { err } = await run('alice', accept!)
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

t.test(
  'A user who had verified a member sends nothing after a reset until the identity is accepted',
  async (t) => {
    await run('dora', 'register dora')
    await run('alice', 'group create strict dora')
    const number = (await run('alice', 'verify dora')).out.trim()
    t.equal((await run('alice', `verify dora ${number}`)).code, 0)
    await run('dora2', 'login dora --no-wait')
    t.equal((await run('dora2', 'devices reset --yes')).code, 0)
    t.match(await run('alice', 'send strict secret'), { code: 1, err: /dora has a new identity/ })
  }
)

t.test('A group has a timer, which has no effect yet', async (t) => {
  t.match(await run('alice', 'group timer night 7d'), {
    code: 0,
    err: /after 1 week\. .*takes effect with a later/
  })
  t.match((await run('bob2', 'group info night')).out, /Messages are to be deleted after 1 week\./)
  t.match(await run('alice', 'group timer night off'), { code: 0, err: /to be kept/ })
  t.match(await run('alice', 'group timer night soon'), {
    code: 2,
    err: /such as 30m, 24h, 7d or 4w, or off/
  })
  t.notMatch((await run('bob2', 'group info night')).out, /deleted/)
})

t.test('The last admin is told how to leave', async (t) => {
  t.match(await run('alice', 'group leave night --yes'), {
    code: 1,
    err: /secure-chat group role GROUP NAME admin/
  })
  t.equal((await run('alice', 'group role night bob admin')).code, 0)
  t.equal((await run('alice', 'group leave night --yes')).code, 0)
})

t.test('A member goes on in a new group in place of one, and the old one is told', async (t) => {
  await run('alice', 'group create crew bob carol')
  const old = (await run('alice', 'group info crew --json')).out
  const { out, err } = await run('carol', 'group recreate crew --yes')
  const id = out.trim()
  t.match(err, /^In "crew": alice, bob, carol$/m)
  t.match(JSON.parse((await run('carol', `group info ${id} --json`)).out), {
    title: 'crew',
    members: [{ role: 'member' }, { role: 'member' }, { username: 'carol', role: 'admin' }]
  })
  const { out: said } = await run('alice', `history ${(JSON.parse(old) as { id: string }).id}`)
  t.match(said, id)
})

t.test('A group of ten is told to have a second admin', async (t) => {
  const names = Array.from({ length: 9 }, (_, at) => `member-${at}`)
  for (const name of names) await run(name, `register ${name}`)
  const small = await run('alice', `group create few ${names.slice(0, 8).join(' ')}`)
  t.notMatch(small.err, /second admin/)
  const { out } = await run('alice', `group create many ${names.join(' ')}`)
  const id = out.trim()
  const { err } = await run('alice', `group info ${id}`)
  t.match(err, `secure-chat group role ${id} NAME admin`)
  await run('alice', `group role ${id} member-0 admin`)
  t.equal((await run('alice', `group info ${id}`)).err, '')
})

t.test('A second group of the same name is made with a warning', async (t) => {
  t.match(await run('carol', 'group create rowing'), { code: 0, err: /^In "rowing": carol\n$/ })
  t.match(await run('carol', 'group create rowing'), {
    code: 0,
    err: /Another group of yours is called "rowing", too/
  })
})

t.test('"help" shows the help of a command, however deep it stands', async (t) => {
  t.match(await run('carol', 'help group add'), {
    code: 0,
    out: /^Usage: secure-chat group add .*<names\.\.\.>/
  })
  t.match(await run('carol', 'help'), { code: 0, out: /Messages:\n +send[^]*Your devices and backups:/ })
})
