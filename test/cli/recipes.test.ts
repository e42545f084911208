import { execFile } from 'node:child_process'
import { mkdir, readFile, symlink, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { promisify } from 'node:util'
import t from 'tap'
import { machine, PROGRAM } from '../support/cli-process.js'
import { PASSWORD } from '../support/command-line.js'
import { startServer } from '../support/server-process.js'

const run = promisify(execFile)
const root = join(import.meta.dirname, '../../..')

t.test('The recipe for cron works in the environment that cron gives', async (t) => {
  const server = await startServer(t)
  const home = await machine(t, server.url)
  await home.register('ops-bot', 'bob')
  await home.ok('ops-bot', ['group', 'create', 'ops', 'bob'])
  // Where somebody has installed Node.js and the program.
  const folder = join(home.home, 'installed')
  const passwordFile = join(home.home, 'password')
  await mkdir(folder)
  await symlink(process.execPath, join(folder, 'node'))
  await symlink(PROGRAM, join(folder, 'secure-chat'))
  await writeFile(passwordFile, PASSWORD, { mode: 0o600 })

  const manual = await readFile(join(root, 'docs/cli.md'), 'utf8')
  const table = /```crontab\n(.*?)```/s.exec(manual)![1]!
  const settings = [...table.matchAll(/^([A-Z_]+)=(.*)$/gm)].map(([, name, value]) => [name, value] as const)
  const [, command] = /^0 7 \* \* \* +(.*)$/m.exec(table)!
  const env = {
    ...Object.fromEntries(settings),
    // The machine of this test has other folders than that of the recipe.
    PATH: settings.find(([name]) => name === 'PATH')![1]!.replace('/usr/local/bin', folder),
    SECURE_CHAT_HOME: home.home
  }
  const line = command!
    .replace('/etc/secure-chat/ops-bot.password', passwordFile)
    .replace(/\|\| logger.*/, '')
  await run('/bin/sh', ['-c', line], { env })
  t.match(await home.ok('bob', ['history', 'ops']), /ops-bot: Filesystem/)
})
