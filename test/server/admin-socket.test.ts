import { chmodSync, existsSync, symlinkSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import t from 'tap'
import { operator, socketIn } from '../support/admin.js'
import { emptyDataDir } from '../support/empty-database.js'
import { expect } from '../support/interop/http.js'
import { startChat } from '../support/start-chat.js'
import { startServer } from '../support/server-process.js'

t.test('The socket is there after a kill, and gone after a stop', async (t) => {
  const dataDir = await emptyDataDir(t)
  const server = await startServer(t, { dataDir })
  const socket = socketIn(dataDir)
  expect(await operator(socket)('GET', '/stats'), 200)
  t.equal((await fetch(`${server.url}/v1/admin/stats`)).status, 401)
  chmodSync(join(dataDir, 'admin'), 0o755)
  await server.kill()
  t.ok(existsSync(socket))
  await server.start()
  expect(await operator(socket)('GET', '/stats'), 200)
  t.equal((await operator(socket)('GET', '/../users/me')).status, 404)
  t.equal(await server.stop(), 0)
  t.notOk(existsSync(socket))
})

t.test('A place that others can reach is refused, with the command that helps', async (t) => {
  const dataDir = await emptyDataDir(t)
  const folder = t.testdir({ open: {}, closed: { file: '' } })
  chmodSync(join(folder, 'open'), 0o755)
  chmodSync(join(folder, 'closed'), 0o700)
  symlinkSync('closed', join(folder, 'link'))
  const start = (path: string) => startServer(t, { dataDir, env: { ADMIN_SOCKET: join(folder, path) } })
  await t.rejects(start('open/admin.sock'), /open to other users.*chmod 700/)
  await t.rejects(start('link/admin.sock'), /is no folder/)
  await t.rejects(start('closed/file'), /is no socket/)
  t.ok(existsSync(join(folder, 'closed/file')))
})

t.test('Without a usable place in its data the server starts all the same, and says so', async (t) => {
  const dataDir = await emptyDataDir(t)
  writeFileSync(join(dataDir, 'admin'), '')
  const lines: string[] = []
  const log = { write: (line: string) => lines.push(line) }
  await startChat(t, { DATA_DIR: dataDir, LOG_LEVEL: 'warn' }, log)
  t.match(lines.join(''), /there is no socket for the administration/)
})

t.test('ADMIN_SOCKET=off opens none', async (t) => {
  const { services } = await startChat(t, { ADMIN_SOCKET: 'off' })
  t.notOk(existsSync(socketIn(services.config.database.dataDir)))
})
