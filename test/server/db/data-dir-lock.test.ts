import { rmSync, statSync, writeFileSync } from 'node:fs'
import { hostname } from 'node:os'
import { join } from 'node:path'
import t from 'tap'
import { DataDirLocked, lockDataDir } from '../../../src/server/db/data-dir-lock.js'

t.test('A data directory is made for its owner only', async (t) => {
  const dir = join(t.testdir(), 'data')
  const lock = await lockDataDir(dir)
  t.equal(statSync(dir).mode & 0o777, 0o700)
  await lock.release()
})

t.test('A data directory in use is refused with a sentence that names the holder', async (t) => {
  const dir = join(t.testdir(), 'data')
  const lock = await lockDataDir(dir)
  const error = await lockDataDir(dir).catch((error: unknown) => error as DataDirLocked)
  t.ok(error instanceof DataDirLocked)
  t.match(error, { name: 'DataDirLocked', message: /^The data directory .* is in use by another process \(/ })
  const { message } = error as DataDirLocked
  t.ok(message.includes(dir))
  t.ok(message.includes(hostname().slice(0, 8)))
  if (process.platform === 'linux') t.ok(message.includes(`pid ${process.pid} `))
  await lock.release()
  await (await lockDataDir(dir)).release()
})

t.test('A network file system is refused, since another machine could open it unseen', async (t) => {
  await t.rejects(
    lockDataDir(join(t.testdir(), 'data'), () => 0x6969),
    { message: /cannot be locked: it is on a network file system \(NFS\)\. Put it on a local disk/ }
  )
})

t.test('A folder that cannot hold a lock is refused with the reason', async (t) => {
  const dir = join(t.testdir(), 'data')
  await (await lockDataDir(dir)).release()
  rmSync(join(dir, 'lock'), { recursive: true })
  writeFileSync(join(dir, 'lock'), '')
  await t.rejects(lockDataDir(dir), { code: 'EEXIST' })
})
