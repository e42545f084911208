import { mkdirSync, readdirSync, symlinkSync } from 'node:fs'
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
  t.strictSame(
    readdirSync(folder).filter((name) => !name.startsWith('holder-')),
    ['30']
  )
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

async function leaveRemains(folder: string): Promise<void> {
  mkdirSync(folder, { recursive: true })
  symlinkSync('holder-of-old', join(folder, '7'))
  const dead = await SocketFile.listen(folder, 'holder-of-old')
  await dead.close()
}
