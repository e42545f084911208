import t from 'tap'
import { atTerminal } from '../support/at-terminal.js'
import { commandLine } from '../support/command-line.js'
import { FakeServer } from '../support/fake-server.js'
import { serveFake } from '../support/fake-server-http.js'
import { hijack } from '../support/malicious-server.js'
import { line } from '../support/puppet-conversation.js'
import { puppetTalk } from '../support/puppet-talk.js'

/** Bob uses the command line, in a group with puppets that they have read, on a server that lies as a test says. */
async function scene() {
  const server = new FakeServer()
  const url = await serveFake(t, server)
  const run = commandLine(t, { SECURE_CHAT_URL: url })
  await run('register bob')
  const user = server.requireUser('bob')
  const [alice, carol] = [await server.puppet('alice'), await server.puppet('carol')]
  const talk = await puppetTalk(server, 'group', [[alice.user, 'admin'], [carol.user], [user]], alice)
  await talk.say(alice, { type: 'title', text: 'ops' }, 1)
  t.match(await run('history ops'), { code: 0, err: '' })
  /** What a command prints to stderr. */
  const says = async (command: string): Promise<string> => (await run(command)).err
  return { server, url, run, says, user, alice, carol, talk }
}

t.test('No command gives up this device’s keys by itself, and `login --new-device` does', async (t) => {
  const { server, run, user } = await scene()
  const deviceId = async () => (JSON.parse((await run('whoami --json')).out) as { deviceId: string }).deviceId
  const own = await deviceId()
  const fork = await user.fork(user.statements.length)
  await hijack(fork)
  server.view = (name) => (name === 'bob' ? fork : server.users.get(name))
  server.sessions.clear()
  for (const command of ['conversations', 'send alice hello', 'devices', 'login bob --no-wait']) {
    const { code, err } = await run(command)
    t.equal(code, 1, command)
    t.match(err, /another identity in your place[^]*secure-chat login NAME --new-device/, command)
    t.equal(await deviceId(), own)
  }
  t.match(await run('login bob --no-wait --new-device'), {
    code: 0,
    out: /^The link number of this device is$/m
  })
  t.not(await deviceId(), own)
})

const timer = (messageTtl: number) => ({ kind: 'conversation-timer', messageTtl }) as const

/** The command that a text offers. */
const offered = (text: string): string =>
  /secure-chat ((?:conversations accept|contacts accept-chain) \S+ [0-9a-f]{64})$/m.exec(text)?.[1] ?? text

t.test('A server that hides the end of a chain is told by each command, with what to do', async (t) => {
  const { server, run, says, talk, alice } = await scene()
  await talk.change([timer(60)], alice.device)
  await run('conversations')
  const served = await talk.conversation.fork(1, server.users)
  server.conversations.set(talk.id, served)
  const warning = /^Warning: .*shows less of a conversation’s chain.*or it hides something/
  for (const command of ['conversations', `history ${talk.id}`, `conversations info ${talk.id}`]) {
    const told = await says(command)
    t.match(told, warning, command)
    t.equal(offered(told), `conversations accept ${talk.id} ${served.head}`, command)
  }
  const { code, err } = await run(`send ${talk.id} hello`)
  t.equal(code, 1)
  t.match(err, /shows less of a conversation’s chain/)
  t.match(await run(offered(err)), { code: 0 }, 'the command that an error names can be run')
  t.match(await run(`send ${talk.id} hello`), { code: 0 })
})

t.test('A server that shows another chain is told, with the end of that chain', async (t) => {
  const { server, run, says, talk, alice } = await scene()
  const fork = await talk.conversation.fork(1, server.users)
  await talk.change([timer(60)], alice.device)
  await run('conversations')
  server.conversations.set(talk.id, (talk.conversation = fork))
  await talk.change([timer(70)], alice.device)
  await talk.change([timer(80)], alice.device)
  const accept = `conversations accept ${talk.id} ${fork.head}`
  for (const command of [
    'conversations',
    `history ${talk.id}`,
    `conversations info ${talk.id}`,
    `send ${talk.id} x`
  ]) {
    const told = await says(command)
    t.match(told, /does not extend what was seen before[^]*Ask the others by another way/, command)
    t.equal(offered(told), accept, command)
  }
  t.match(await run(accept), { code: 0 })
})

t.test(
  'A chain that a member knows, and that the server hides, is told with the name of the member',
  async (t) => {
    const { server, says, talk, alice, carol } = await scene()
    const shown = await carol.user.fork(1)
    await carol.add()
    server.view = (username) => (username === 'carol' ? shown : server.users.get(username))
    await talk.change([], alice.device)
    for (const command of ['conversations', `history ${talk.id}`, `send ${talk.id} x`])
      t.match(
        await says(command),
        /statement 2 of carol’s chain[^]*made by alice[^]*somebody says what is not true[^]*Ask the others/,
        command
      )
  }
)

t.test('A change by a device that had gone is told once, and says where to look', async (t) => {
  const { run, says, talk, alice, carol } = await scene()
  const phone = await alice.add()
  await talk.change([], alice.device)
  await run('conversations')
  const role = { kind: 'conversation-role', member: line(carol.user, 'admin') } as const
  const late = await talk.sign([role], alice.device)
  await alice.revoke(alice.device.id, phone)
  await talk.show(late)
  await says('verify alice')
  const told = await says('conversations')
  t.match(told, /^Warning: .*A device of alice that has gone had changed the conversation/)
  t.match(told, `See: secure-chat conversations info ${talk.id}`)
  t.equal(await says('conversations'), '')
})

t.test('A user whose chain the server hides is told with the chain that it shows', async (t) => {
  const { server, run, says, talk, alice } = await scene()
  await alice.rekey()
  await talk.change([], alice.device)
  await run('conversations')
  const shown = await alice.user.fork(1)
  server.view = (username) => (username === 'alice' ? shown : server.users.get(username))
  server.lies.push(({ method, path }) =>
    method === 'POST' && path === '/v1/users/alice/chain' ? { head: shown.head, sequence: 1 } : undefined
  )
  const told = await says('verify alice')
  t.match(told, /Warning: The server shows an older chain of alice/)
  t.equal(offered(told), `contacts accept-chain alice ${shown.head}`)
})

t.test('The list of devices tells of the own chain, and offers no other in its place', async (t) => {
  for (const lie of ['behind', 'reset'] as const) {
    const { server, says, run, user } = await scene()
    server.endsSessions = false
    await run('devices rekey')
    if (lie === 'behind') {
      server.lies.push(({ path }) =>
        path === '/v1/users/bob/chain' ? { head: user.head, sequence: 1 } : undefined
      )
      await user.restore(1)
    } else await hijack(user)
    const told = await says('devices')
    const texts = {
      behind: /older chain of bob[^]*compare with your other devices/,
      reset: /If you did not, somebody has your password/
    }
    t.match(told, texts[lie], lie)
    t.notMatch(told, /accept/, lie)
  }
})

t.test('In a chat the same warnings stand between the messages', async (t) => {
  const { server, url, talk, alice, carol } = await scene()
  const start = atTerminal(t, url)
  await start(['register', 'dora']).ended
  const dora = line(server.requireUser('dora'))
  await talk.change([{ kind: 'conversation-add', member: dora }], alice.device)
  await talk.change([timer(60)], alice.device)
  const { screen, keyboard, ended } = start(['chat', talk.id], 400)
  await screen.until(/── .* ──/)
  server.conversations.set(talk.id, await talk.conversation.fork(2, server.users))
  keyboard.enter('hello')
  await screen.until(
    new RegExp(`! .*The server shows less of .* secure-chat conversations accept ${talk.id} [0-9a-f]{64}`)
  )
  const shown = await carol.user.fork(1)
  await carol.add()
  server.view = (username) => (username === 'carol' ? shown : server.users.get(username))
  await talk.change([], alice.device)
  await screen.until(/! .*statement 2 of carol’s chain.* made by alice.* Ask the others/)
  keyboard.enter('/quit')
  t.equal(await ended, 0)
})
