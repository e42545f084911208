import crypto from 'node:crypto'
import { mkdirSync, readdirSync, readlinkSync, symlinkSync, writeFileSync } from 'node:fs'
import { syncBuiltinESMExports } from 'node:module'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import t from 'tap'
import { acquireLock, LockHeld, networkFileSystem } from '../../src/node/lock.js'
import { SocketFile } from '../../src/node/socket.js'

const PATIENCE = 60_000

/** Counts how many are inside at the same time. */
class CriticalSection {
  inside = 0
  most = 0

  async enter(folder: string, patience = PATIENCE): Promise<void> {
    const lock = await acquireLock(folder, patience)
    this.most = Math.max(this.most, ++this.inside)
    await sleep(Math.random() * 2)
    this.inside--
    await lock.release()
  }
}

t.test('One holder at a time has a lock, and one link is left behind', async (t) => {
  const folder = t.testdir()
  const section = new CriticalSection()
  await Promise.all(Array.from({ length: 30 }, () => section.enter(folder)))
  t.equal(section.most, 1)
  t.strictSame(readdirSync(folder), ['30'])
})

t.test('Many that find the remains of a dead holder at once take the lock one after the other', async (t) => {
  for (let round = 0; round < 10; round++) {
    const folder = join(t.testdirName, String(round))
    await leaveRemains(folder)
    const section = new CriticalSection()
    await Promise.all(Array.from({ length: 8 }, () => section.enter(folder)))
    t.equal(section.most, 1)
  }
})

t.test('Without patience a held lock is refused, and the lock of a dead holder is taken', async (t) => {
  for (let round = 0; round < 20; round++) {
    const folder = join(t.testdirName, String(round))
    await leaveRemains(folder)
    const lock = await acquireLock(folder, 0)
    await t.rejects(acquireLock(folder, 0), LockHeld)
    await lock.release()
    await (await acquireLock(folder, 0)).release()
  }
})

t.test('A lock that is held for too long is refused after the time', async (t) => {
  const folder = t.testdir()
  const lock = await acquireLock(folder, 0)
  const start = performance.now()
  await t.rejects(acquireLock(folder, 50), { name: 'LockHeld', holder: /^another process \(.*on host / })
  t.ok(performance.now() - start >= 49)
  await lock.release()
})

t.test('A holder whose name is taken chooses another', async (t) => {
  const folder = t.testdir()
  const name = await nameOfHolder(folder, () => Buffer.alloc(4))
  writeFileSync(join(folder, name), '')
  const bytes = [0, 0, 1].map((byte) => Buffer.alloc(4, byte))
  t.not(await nameOfHolder(folder, () => bytes.shift()), name)
  t.equal(bytes.length, 0)

  writeFileSync(join(folder, name), '')
  await t.rejects(
    nameOfHolder(folder, () => Buffer.alloc(4)),
    { code: 'EADDRINUSE' }
  )
})

t.test('A network file system is named, since another machine could use it unseen', async (t) => {
  const folder = t.testdir()
  t.equal(
    networkFileSystem(folder, () => 0x6969),
    'NFS'
  )
  t.equal(
    networkFileSystem(folder, () => 0xef53),
    undefined
  )
})

/** @param chance what the holder gets for random bytes */
async function nameOfHolder(folder: string, chance: () => unknown): Promise<string> {
  const { randomBytes } = crypto
  Object.assign(crypto, { randomBytes: chance })
  syncBuiltinESMExports()
  try {
    const lock = await acquireLock(folder, 0)
    await lock.release()
  } finally {
    Object.assign(crypto, { randomBytes })
    syncBuiltinESMExports()
  }
  const [turn] = readdirSync(folder).filter((name) => !name.startsWith('holder-'))
  return readlinkSync(join(folder, turn ?? ''))
}

async function leaveRemains(folder: string): Promise<void> {
  mkdirSync(folder, { recursive: true })
  symlinkSync('holder-of-old', join(folder, '7'))
  const dead = await SocketFile.listen(folder, 'holder-of-old')
  await dead.close()
}
