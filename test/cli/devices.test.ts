import { problem } from '../support/fake-answers.js'
import { writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import t from 'tap'
import { client } from '../support/chat-clients.js'
import { machine, type CliProcess } from '../support/cli-process.js'
import { PASSWORD } from '../support/command-line.js'
import { startServer } from '../support/server-process.js'

const server = await startServer(t)
const home = await machine(t, server.url)
await home.register('alice', 'bob')

const LINK_NUMBER = /^(\d{5} ){11}\d{5}$/m

/** The texts of a history, as a profile reads it. */
async function texts(profile: string, name: string): Promise<unknown[]> {
  return (await home.json(profile, ['history', name])).map(({ body, type }) => body ?? type)
}

function linkNumberIn({ out }: { out: string }): string {
  return LINK_NUMBER.exec(out)![0]
}

/** The id of the device that has this name, as a profile sees it. */
async function idOf(profile: string, name: string): Promise<string> {
  const found = (await home.json(profile, ['devices'])).filter(({ status }) => status !== 'revoked')
  return String(found.find((device) => device['name'] === name)?.['id'])
}

/** Log in on a new device, approve it with alice's first one, and say so on the new one. */
async function linked(profile: string, name: string): Promise<CliProcess> {
  const login = home.start(profile, ['login', 'alice', '--device-name', name])
  await login.shows(LINK_NUMBER)
  const number = linkNumberIn(login)
  await home.ok('alice', ['devices', 'approve', await idOf('alice', name), '--number', number])
  await home.ok(profile, ['devices', 'link', '--number', number])
  return login
}

t.test(
  'A new device waits until both sides have compared a number, and reads earlier messages',
  async (t) => {
    await home.ok('alice', ['send', 'bob', 'long ago'])
    const laptop = home.start('laptop', ['login', 'alice', '--device-name', 'laptop'])
    await laptop.shows(LINK_NUMBER)
    const number = linkNumberIn(laptop)
    const tooEarly = await home.run('laptop', ['send', 'bob', 'too early'])
    t.match(tooEarly, { code: 2, err: /This device waits for approval\. Its link number is/ })
    t.match(tooEarly.err, number)
    const [request] = await home.json('alice', ['devices', 'requests'])
    t.match(request, { name: 'laptop', status: 'pending' })
    const other = ['devices', 'approve', '--number', '12345 '.repeat(12)]
    t.match(await home.run('alice', other), { code: 1, err: /link number is another one/ })
    t.match(await home.run('alice', ['devices', 'approve', '--number', '12345']), {
      code: 2,
      err: /60 digits/
    })
    t.match(await home.run('alice', ['devices', 'approve']), { code: 2, err: /--number/ })
    const id = String(request!['id']).slice(0, 6)
    t.match(await home.run('alice', ['devices', 'approve', id, '--number', ...number.split(' ')]), {
      code: 0,
      err: /"laptop" is approved, and can read what this device can/
    })

    t.match(await home.run('laptop', ['send', 'bob', 'one side']), { code: 2, err: /waits for approval/ })
    const wrong = ['devices', 'link', '--number', '12345 '.repeat(12)]
    t.match(await home.run('laptop', wrong), { code: 1, err: /shows another link number/ })
    t.match(await home.ok('laptop', ['devices', 'link', '--number', number]), /^You are alice\.$/m)
    t.match(await laptop.ended(), { code: 0, out: /^You are alice\.$/m })
    t.match(await home.run('laptop', ['devices', 'link']), { code: 2, err: /linked already/ })
    t.strictSame(await texts('laptop', 'bob'), ['long ago'])
    await home.ok('laptop', ['devices', 'rekey'])
    await home.ok('bob', ['send', 'alice', 'for both'])
    t.strictSame(await texts('laptop', 'bob'), ['long ago', 'for both'])
  }
)

t.test(
  'A new device knows whom the user trusts, and does not list what devices tell each other',
  async (t) => {
    const number = (await home.ok('alice', ['verify', 'bob'])).trim()
    await home.ok('alice', ['verify', 'bob', ...number.split(' ')])
    t.match(await (await linked('tablet', 'tablet')).ended(), { code: 0, err: /^(?![^]*trust)/ })
    const listening = home.start('tablet', ['listen'])
    const scripted = home.start('tablet', ['listen', '--json'])
    await Promise.all([listening.shows('Connected'), scripted.shows('Connected')])
    await home.ok('bob', ['send', 'alice', 'all of you'])
    await Promise.all([listening.shows('all of you'), scripted.shows('all of you')])
    await Promise.all([listening.interrupted(), scripted.interrupted()])
    t.notMatch(listening.out, /your devices/i)
    t.notMatch(scripted.out, /"trust"/)
    t.match(await home.run('tablet', ['contacts']), { out: /^bob +verified$/m, err: '' })
    const all = await home.json('tablet', ['conversations', '--all'])
    t.strictSame(all.map(({ kind }) => kind).sort(), ['direct', 'self'])
    t.match(await home.json('tablet', ['conversations']), [{ kind: 'direct' }])
    t.strictSame(await texts('tablet', String(all.find(({ kind }) => kind === 'self')!['id'])), [])
  }
)

/** A server that takes no conversation, so that devices can't tell each other anything. */
const withoutConversations: typeof fetch = async (input, init) =>
  init?.method === 'POST' && new Request(input).url.endsWith('/v1/conversations')
    ? problem('forbidden')
    : fetch(input, init)

t.test(
  'A new device that was not told whom the user trusts verifies nobody, unless the user goes on',
  async (t) => {
    const carla = await client(t, server.url, { fetch: withoutConversations })
    await carla.register({ username: 'carla', password: PASSWORD })
    const login = home.start('carla', ['login', 'carla'])
    await login.shows(LINK_NUMBER)
    const [request] = await carla.devices.requests()
    await carla.devices.approve(request!.id, { number: linkNumberIn(login) })
    await home.ok('carla', ['devices', 'link', '--number', linkNumberIn(login)])
    t.match((await login.ended()).err, /waits until another of your devices tells whom you trust/)
    const number = (await home.ok('carla', ['verify', 'bob'])).trim()
    t.match(await home.run('carla', ['verify', 'bob', number]), { code: 1, err: /contacts go-on-alone/ })
    t.match(await home.run('carla', ['contacts']), { code: 0, err: /waits until another/ })
    await home.ok('carla', ['contacts', 'go-on-alone'])
    t.match(await home.run('carla', ['contacts']), { code: 0, err: '' })
    t.match(await home.run('carla', ['verify', 'bob', number]), { code: 0, err: /bob is verified/ })
  }
)

t.test('A device that was declined, or revoked, asks for approval again only by a log-in', async (t) => {
  await home.ok('phone', ['login', 'alice', '--no-wait'])
  await home.ok('alice', ['devices', 'decline'])
  for (const command of [['conversations'], ['devices', 'link']])
    t.match(await home.run('phone', command), {
      code: 2,
      err: /waits for approval no more[^]*secure-chat login alice/
    })
  t.strictSame(await home.json('alice', ['devices', 'requests']), [])
  const laptop = (await home.json('alice', ['devices'])).find(({ name }) => name === 'laptop')!
  await home.ok('alice', ['devices', 'revoke', String(laptop['id']), '--yes'])
  await home.ok('bob', ['send', 'alice', 'not for the laptop'])
  const withoutPassword = await home.run('laptop', ['history', 'bob'], { env: { SECURE_CHAT_PASSWORD: '' } })
  t.match(withoutPassword, {
    code: 2,
    err: /or revoked this machine\.\n.*no terminal/
  })
  const told = /was revoked by another device[^]*login NAME --new-device/
  t.match(await home.run('laptop', ['history', 'bob']), { code: 1, err: told })
  t.match(await home.run('laptop', ['history', 'bob']), { code: 1, err: told }, 'at each start')
  t.match(await home.ok('laptop', ['whoami']), /^alice \(revoked, logged out\)$/m)
  const doctor = await home.run('laptop', ['doctor'])
  t.match(doctor, { code: 1, out: /fail {2}session: this device was revoked\n.*login NAME --new-device/ })
  t.strictSame(await home.json('alice', ['devices', 'requests']), [])
  t.match(await home.run('laptop', ['login', 'alice', '--new-device', '--no-wait']), { err: /approv/ })
  t.match(await home.json('alice', ['devices', 'requests']), [{ name: 'laptop' }], 'under its name')
  await home.ok('alice', ['devices', 'decline'])
})

t.test('Devices that wait are told apart by their names, times and link numbers', async (t) => {
  const shown = []
  for (const name of ['old phone', 'new phone']) {
    const { out } = await home.run(name.slice(0, 3), ['login', 'alice', '--no-wait', '--device-name', name])
    shown.push(LINK_NUMBER.exec(out)![0])
  }
  const { code, err } = await home.run('alice', ['devices', 'approve'])
  t.equal(code, 2)
  for (const [at, name] of ['old phone', 'new phone'].entries())
    t.match(err, new RegExp(`^ *[0-9a-f-]{36} +"${name}" +[\\d-]{10} [\\d:]{5}\n +${shown[at]}$`, 'm'))
  t.match(await home.run('alice', ['devices', 'approve', '--number', '12345 '.repeat(12)]), {
    code: 2,
    err: shown[1]!
  })
  t.match(await home.run('alice', ['devices', 'approve', '--number', shown[1]!]), {
    code: 0,
    err: /"new phone" is approved/
  })
  await home.ok('alice', ['devices', 'decline'])
})

t.test('After a revocation the program names the devices that the revoked one had approved', async (t) => {
  await (await linked('desk', 'desk')).ended()
  const bag = home.start('bag', ['login', 'alice', '--device-name', 'bag'])
  await bag.shows(LINK_NUMBER)
  const id = await idOf('alice', 'bag')
  await home.ok('desk', ['devices', 'approve', id, '--number', linkNumberIn(bag)])
  await home.ok('bag', ['devices', 'link', '--number', linkNumberIn(bag)])
  await bag.ended()
  const { err } = await home.run('alice', ['devices', 'revoke', await idOf('alice', 'desk'), '--yes'])
  t.match(err, `"desk" was revoked.\n"bag" (${id}) was approved by it, or by a device that it had approved.`)
  t.match(err, `secure-chat devices revoke ${id}`)
})

t.test('A revocation can take the devices with it that the revoked one had approved', async (t) => {
  await (await linked('first', 'first')).ended()
  const code = (await home.ok('first', ['backup', 'create'])).trim()
  const revoked = await home.run('alice', [
    'devices',
    'revoke',
    await idOf('alice', 'first'),
    '--yes',
    '--approved'
  ])
  t.match(revoked.err, /"first" was revoked\.\nThe key backup was revoked\.\n.*Make another/)
  t.match(await home.json('alice', ['backup', 'status']), [{ usable: false, reason: 'revoked' }])
  const env = { SECURE_CHAT_RECOVERY_CODE: code }
  t.match(await home.run('thief', ['restore', 'alice'], { env }), { code: 1 })
})

t.test('If a session has ended, a command logs in again with the password', async (t) => {
  await home.ok('alice', ['logout'])
  t.match(await home.ok('alice', ['whoami']), /^alice \(active, logged out\)$/m)
  const without = { env: { SECURE_CHAT_PASSWORD: '' } }
  t.match(await home.run('alice', ['conversations'], without), { code: 2, err: /SECURE_CHAT_PASSWORD/ })
  const passwordFile = join(home.home, 'password')
  await writeFile(passwordFile, 'correct horse battery staple 42\n')
  const command = ['conversations', '--password-file', passwordFile]
  t.match(await home.ok('alice', command, without), 'direct  bob')
  t.match(await home.ok('alice', ['whoami']), /^alice \(active, logged in\)$/m)
})
