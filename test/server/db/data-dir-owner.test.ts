import { spawn } from 'node:child_process'
import { chmodSync, mkdirSync, mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { text } from 'node:stream/consumers'
import t, { type Test } from 'tap'
import { dieTogether } from '../../support/server-process.js'

const MAIN = join(import.meta.dirname, '../../../src/server/main.js')
const own = process.getuid?.() ?? 0
/** Root may do anything, so a server of root's test runs as somebody else. */
const uid = own === 0 ? 54_321 : own

/** What a server says that cannot use this folder. */
function refusal(dataDir: string): Promise<string> {
  const { PATH } = process.env
  const env = { PATH, DATA_DIR: dataDir, SERVER_PORT: '0' }
  const child = spawn(process.execPath, [MAIN], { env, uid, cwd: '/', stdio: ['ignore', 'ignore', 'pipe'] })
  dieTogether(child)
  return text(child.stderr)
}

function folder(t: Test): string {
  const made = mkdtempSync(join(tmpdir(), 'secure-chat-owner-'))
  chmodSync(made, 0o755)
  t.teardown(() => rmSync(made, { recursive: true, force: true }))
  return made
}

t.test('A data folder of another owner is refused with both uids and the command that helps', async (t) => {
  const dir = join(folder(t), 'data')
  mkdirSync(dir)
  chmodSync(dir, own === 0 ? 0o755 : 0o555)
  t.match(
    await refusal(dir),
    `secure-chat: The data directory ${dir} cannot be used (EACCES): ${dir} belongs to uid ${own} and has mode ` +
      `0${own === 0 ? '755' : '555'}, and the server runs as uid ${uid}. Run as root: chown -R ${uid} ${dir} && ` +
      `chmod -R u+rwX ${dir} – or choose another DATA_DIR.\n`
  )
})

t.test('So is a missing one in a folder where the server may make none', async (t) => {
  const above = folder(t)
  if (own !== 0) chmodSync(above, 0o555)
  const dir = join(above, 'new', 'data')
  t.match(await refusal(dir), `Run as root: mkdir -p ${dir} && chown ${uid} ${dir} –`)
})

t.test('So is one whose secret belongs to somebody else', { skip: own !== 0 && 'needs root' }, async (t) => {
  const dir = join(folder(t), 'data')
  mkdirSync(join(dir, 'jwt-secret'), { recursive: true, mode: 0o700 })
  chmodSync(dir, 0o777)
  t.match(await refusal(dir), `${join(dir, 'jwt-secret')} belongs to uid 0 and has mode 0700`)
})
