import { chmodSync, mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import t, { type Test } from 'tap'
import { cheapArgon2 } from '../support/cheap-argon2.js'
import { CliProcess, lines, machine } from '../support/cli-process.js'
import { commandLine, type CommandLine, type Given } from '../support/command-line.js'
import { freePort } from '../support/server-process.js'
import { startChat } from '../support/start-chat.js'
import { tlsFront } from '../support/tls-front.js'
import { tamperingProxy } from '../support/tampering-proxy.js'

type Check = { check: string; status: string; message: string; hint?: string }

function folder(t: Test): string {
  const path = mkdtempSync(join(tmpdir(), 'secure-chat-doctor-'))
  t.teardown(() => rmSync(path, { recursive: true, force: true }))
  return path
}

async function doctor(run: CommandLine, given?: Given): Promise<{ code: number | null; checks: Check[] }> {
  const { code, out } = await run('doctor --json', given)
  return { code, checks: lines<Check>(out) }
}

function statuses(checks: readonly Check[]): Record<string, string> {
  return Object.fromEntries(checks.map(({ check, status }) => [check, status]))
}

cheapArgon2(t)
const { url } = await startChat(t)

t.test('If no check fails, the exit code is 0', async (t) => {
  const alice = commandLine(t, { SECURE_CHAT_URL: url })
  const bob = commandLine(t, { SECURE_CHAT_URL: url })
  await alice('register alice')
  await bob('register bob')
  t.equal((await alice('send bob hello')).code, 0)

  const { code, checks } = await doctor(alice)
  t.equal(code, 0)
  t.strictSame(statuses(checks), {
    cryptography: 'ok',
    'key store': 'ok',
    server: 'ok',
    TLS: 'ok',
    clock: 'ok',
    session: 'ok',
    'own chain': 'ok',
    conversations: 'ok',
    contacts: 'ok',
    backup: 'warn'
  })
  const plain = await alice('doctor')
  t.equal(plain.code, 0)
  t.match(plain.out, /^ok {4}conversations: 1 of 1 chains are valid$/m)
  t.match(plain.out, /^warn {2}backup: .*\n {6}Make one: secure-chat backup create/m)

  await alice('logout')
  const after = await doctor(alice)
  t.equal(after.code, 0, 'to be logged out is no failure')
  t.match(after.checks.at(-1), { check: 'session', status: 'warn', hint: /login alice/ })
})

t.test('A server that is down fails its check, and the checks that need it are left out', async (t) => {
  const { code, checks } = await doctor(
    commandLine(t, { SECURE_CHAT_URL: `http://127.0.0.1:${await freePort()}` })
  )
  t.equal(code, 1)
  t.strictSame(statuses(checks), { cryptography: 'ok', 'key store': 'warn', server: 'fail', TLS: 'ok' })
  t.match(checks[2], { message: /ECONNREFUSED/, hint: /secure-chat serve/ })
})

t.test('A key store that others can read, or that does not open, fails its check', async (t) => {
  const home = folder(t)
  const run = commandLine(t, { SECURE_CHAT_URL: url, SECURE_CHAT_HOME: home })
  const right = { env: { SECURE_CHAT_PASSPHRASE: 'velvet anvil 77' } }
  await run('register anna', right)
  t.equal((await doctor(run, right)).code, 0)

  const wrong = await doctor(run, { env: { SECURE_CHAT_PASSPHRASE: 'another' } })
  t.equal(wrong.code, 1)
  t.equal(statuses(wrong.checks)['key store'], 'fail')
  t.equal((await doctor(run)).code, 1, 'none at all')

  const journal = join(home, 'default/keys/journal')
  t.notMatch(readFileSync(journal, 'latin1'), /anna/)
  chmodSync(journal, 0o644)
  const exposed = await doctor(run, right)
  t.equal(exposed.code, 1)
  t.match(exposed.checks[1], { status: 'fail', message: /may have access/, hint: /chmod/ })
})

t.test('A warning says by how much the clock is ahead of the server’s or behind it', async (t) => {
  const proxy = await tamperingProxy(t, url)
  const run = commandLine(t, { SECURE_CHAT_URL: proxy.url })
  for (const [minutes, way] of [
    [5, /^is (299|30\d) seconds behind/],
    [-5, /^is (299|30\d) seconds ahead of/]
  ] as const) {
    const time = () => new Date(Date.now() + minutes * 60_000).toISOString()
    proxy.tamper({ answer: ({ path, body }) => void (path === '/v1/server' && (body.time = time())) })
    const { code, checks } = await doctor(run)
    t.equal(code, 0)
    t.match(
      checks.find(({ check }) => check === 'clock'),
      { status: 'warn', message: way, hint: /NTP/ }
    )
  }
})

t.test('A chain that does not verify fails the check of its conversation', async (t) => {
  const proxy = await tamperingProxy(t, url)
  const ada = commandLine(t, { SECURE_CHAT_URL: proxy.url })
  await ada('register ada')
  await commandLine(t, { SECURE_CHAT_URL: url })('register basil')
  await ada('send basil hello')
  // The server names an unknown head, and serves no statement that leads to it.
  proxy.tamper({
    answer({ path, body }) {
      if (path.startsWith('/v1/conversations?')) body.items[0].head = 'f'.repeat(64)
      if (/\/chain\?/.test(path)) body.items = [{ text: 'secure-chat/v1 nonsense\n', signatures: {} }]
    }
  })
  const { code, checks } = await doctor(ada)
  t.equal(code, 1)
  t.match(
    checks.filter(({ status }) => status === 'fail'),
    [{ check: 'conversations' }, { check: 'conversations: basil' }]
  )

  proxy.tamper({
    answer({ path, body }) {
      if (path === '/v1/users/chains') for (const chain of body.items) chain.head = 'f'.repeat(64)
    }
  })
  const forked = await doctor(ada)
  t.equal(forked.code, 1)
  t.match(
    forked.checks.find(({ check }) => check === 'own chain'),
    { status: 'fail', message: /shows another chain of ada/ }
  )
  t.match(
    forked.checks.find(({ check }) => check === 'contacts'),
    { status: 'ok', message: /^1, none/ },
    'a chain that is refused hides no contact'
  )
})

t.test('After a reset it says what the others do, and they see the new identity at once', async (t) => {
  const home = await machine(t, url)
  await home.register('emma', 'finn')
  const number = (await home.ok('finn', ['verify', 'emma'])).trim()
  await home.ok('finn', ['verify', 'emma', number])
  const id = (await home.ok('emma', ['group', 'create', 'ops', 'finn'])).trim()
  await home.ok('emma2', ['login', 'emma', '--no-wait'])
  await home.ok('emma2', ['devices', 'reset', '--yes'])
  const [contact] = await home.json('finn', ['contacts'])
  t.match(contact, { username: 'emma', status: 'changed', wasVerified: true })

  const conversations = async () =>
    (await home.json<Check>('emma2', ['doctor'])).find(({ check }) => check === 'conversations')
  const hint = /accept your new identity.*group renew GROUP NAME/
  t.match(await conversations(), { status: 'warn', message: /1 of them do not know your new identity/, hint })
  t.match(await home.run('emma2', ['send', id, 'me']), { code: 1, err: hint })
  await home.ok('finn', ['accept', 'emma', String(contact!['root'])])
  await home.ok('finn', ['group', 'renew', id, 'emma'])
  t.match(await conversations(), { status: 'ok' })
  await home.ok('emma2', ['send', id, 'me'])
})

t.test('An untrusted certificate fails its check, and one that ends soon is a warning', async (t) => {
  const doctorOverTls = async (days: number, isTrusted: boolean): Promise<Check[]> => {
    const front = await tlsFront(t, url, { days })
    const trusted = isTrusted ? { NODE_EXTRA_CA_CERTS: front.cert } : {}
    const args = ['doctor', '--json', '--url', front.url]
    const { out } = await new CliProcess(args, { SECURE_CHAT_HOME: folder(t), ...trusted }).ended()
    return lines<Check>(out)
  }
  const tls = (checks: Check[]) => checks.find(({ check }) => check === 'TLS')

  const unknown = await doctorOverTls(90, false)
  for (const check of [tls(unknown), unknown.find(({ check }) => check === 'server')])
    t.match(check, { status: 'fail', message: /self-signed certificate/, hint: /NODE_EXTRA_CA_CERTS=/ })
  t.match(tls(await doctorOverTls(90, true)), { status: 'ok', message: /(89|90) days/ })
  t.match(tls(await doctorOverTls(5, true)), { status: 'warn', hint: /renew/ })
})
