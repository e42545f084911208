import { readdir, readFile, stat, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import t from 'tap'
import { atTerminal } from '../support/at-terminal.js'
import { lines, machine } from '../support/cli-process.js'
import { tamperingProxy } from '../support/tampering-proxy.js'
import { startChat } from '../support/start-chat.js'

const { url } = await startChat(t)
const home = await machine(t, url)
const NEW = 'a quite different pass phrase'

t.test('A script changes the password, with the new one from a file', async (t) => {
  await home.register('alice')
  const file = join(home.home, 'new-password')
  await writeFile(file, `${NEW}\n`, { mode: 0o600 })
  const changed = await home.start('alice', ['password', '--new-password-file', file]).ended()
  t.match(changed, { code: 0, err: /The password is changed/ })
  await home.ok('alice', ['logout'])
  t.match(await home.run('alice', ['sessions']), { code: 1, err: /password is wrong/ })
  await home.ok('alice', ['sessions'], { env: { SECURE_CHAT_PASSWORD: NEW } })
})

t.test('A new password that is too short or common is refused, and so is a wrong old one', async (t) => {
  await home.register('bob')
  const change = (env: Record<string, string>) => home.run('bob', ['password'], { env })
  t.match(await change({ SECURE_CHAT_NEW_PASSWORD: 'short' }), { code: 2, err: /10 to 256 characters/ })
  t.match(await change({ SECURE_CHAT_NEW_PASSWORD: 'password123' }), { code: 1, err: /common/ })
  const wrong = { SECURE_CHAT_PASSWORD: 'a wrong pass phrase', SECURE_CHAT_NEW_PASSWORD: NEW }
  t.match(await change(wrong), { code: 1, err: /current password is wrong/ })
  t.match(await home.run('bob', ['password']), { code: 2, err: /SECURE_CHAT_NEW_PASSWORD/ })
})

t.test('An export is a complete file that nobody else may read, or none', async (t) => {
  await home.register('frank')
  await home.ok('frank', ['send', 'bob', 'a note'])
  const path = join(home.home, 'export.jsonl')
  t.match(await home.start('frank', ['export', path]).ended(), { code: 0, err: /records were written/ })
  t.equal((await stat(path)).mode & 0o777, 0o600)
  const written = lines<{ kind: string; username?: string }>(await readFile(path, 'utf8'))
  t.equal(written[0]?.username, 'frank')
  t.ok(written.some(({ kind }) => kind === 'event'))
  const printed = lines(await home.ok('frank', ['export'])).length
  t.equal(printed, written.length + 1, 'on the output, too; the audit has a line about the first one')

  const proxy = await tamperingProxy(t, url)
  const body = '{"kind":"account"}\n{"kind":"dev'
  const headers = { 'content-type': 'application/x-ndjson' }
  proxy.tamper({
    instead: ({ path: asked }) => (asked.endsWith('/export') ? { status: 200, headers, body } : undefined)
  })
  const other = join(home.home, 'other.jsonl')
  const cut = await home.run('frank', ['--url', proxy.url, 'export', other])
  t.match(cut, { code: 3, err: /ended before it was complete/ })
  t.strictSame(
    (await readdir(home.home)).filter((name) => name.startsWith('other')),
    []
  )
})

t.test('An account is deleted with --yes, and its profile is empty then', async (t) => {
  await home.register('carol', 'dave')
  await home.ok('carol', ['send', 'dave', 'good bye'])
  t.match(await home.run('carol', ['delete-account']), { code: 2, err: /--yes/ })
  const deleted = await home.start('carol', ['delete-account', '--yes']).ended()
  t.match(deleted, { code: 0, err: /carol is deleted/ })
  t.match(await home.run('carol', ['whoami']), { code: 2, err: /no account/ })
  t.match(await home.run('carol', ['login', 'carol']), { code: 1, err: /password is wrong/ })
  t.match(await home.run('carol', ['register', 'carol']), { code: 1, err: /taken/ })
  t.match(await home.run('dave', ['send', 'carol', 'hello?']), { code: 0 })
})

t.test('On a terminal the name is typed before the account is deleted', async (t) => {
  const start = atTerminal(t, url)
  t.equal(await start(['register', 'erin']).ended, 0)
  const not = start(['delete-account'])
  await not.screen.until(/Type erin to go on/)
  not.keyboard.enter('erik')
  t.equal(await not.ended, 130)
  const first = start(['delete-account'])
  await first.screen.until(/Type erin to go on/)
  first.keyboard.enter('erin')
  t.equal(await first.ended, 0)
})
