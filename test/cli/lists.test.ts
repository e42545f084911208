import t from 'tap'
import { socketIn } from '../support/admin.js'
import { commandLine } from '../support/command-line.js'
import { startChat } from '../support/start-chat.js'

const { url, services, user } = await startChat(t)
const cli = commandLine(t, { SECURE_CHAT_URL: url, ADMIN_SOCKET: socketIn(services.config.database.dataDir) })
t.equal((await cli('register alice')).code, 0)
const LONG = `a${'lice'.repeat(7)}-32`

/** Where a text begins on a line, in the cells of a terminal: letters of Japan take two. */
function cellOf(text: string, line: string): number {
  const before = line.slice(0, line.indexOf(text))
  return before.length + (before.match(/[\u3000-\u9fff]/g)?.length ?? 0)
}

t.test('Columns begin at one cell, however wide a title is', async (t) => {
  for (const title of ['ops', '日本語グループ', 'a longer title'])
    t.equal((await cli(['group', 'create', title])).code, 0)
  const { out } = await cli('conversations')
  const lines = out.trimEnd().split('\n')
  t.equal(lines.length, 3)
  t.same(new Set(lines.map((line) => cellOf('alice', line))), new Set([cellOf('alice', lines[0]!)]))
  t.match(out, /"a longer title" {2}alice$/m, 'the widest one is followed by two blanks')
})

t.test('So they do for the longest names', async (t) => {
  await user(LONG)
  const { out } = await cli('admin users list')
  t.match(out, new RegExp(`^${LONG}  since `, 'm'))
  const lines = out.trimEnd().split('\n')
  t.equal(lines.length, 2)
  t.same(new Set(lines.map((line) => line.indexOf('since'))), new Set([LONG.length + 2]))
})

t.test('Users are found by the beginning of their names', async (t) => {
  t.strictSame(await cli('users ALI'), { code: 0, out: `alice\n${LONG}\n`, err: '' })
  t.match(await cli('users alicel'), { code: 0, out: `${LONG}\n` })
  t.match(await cli('users alice --json'), { out: `{"username":"alice"}\n{"username":"${LONG}"}\n` })
})
