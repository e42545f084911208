import { mkdirSync, readdirSync, symlinkSync } from 'node:fs'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import t from 'tap'
import { requireLockable, withLock } from '../../src/node/lock.js'
import { SocketFile } from '../../src/node/socket.js'

t.test('Work under a lock is done by one at a time, and leaves one link behind', async (t) => {
  const folder = t.testdir()
  let inside = 0
  let most = 0
  const work = async () => {
    most = Math.max(most, ++inside)
    await sleep(Math.random() * 2)
    inside--
  }
  await Promise.all(Array.from({ length: 30 }, () => withLock(folder, work)))
  t.equal(most, 1)
  t.strictSame(
    readdirSync(folder).filter((name) => !name.startsWith('holder-')),
    ['30']
  )
})

t.test('The result of the work is given, its failure too, and the lock is free after both', async (t) => {
  const folder = t.testdir()
  t.equal(await withLock(folder, async () => 'result'), 'result')
  const failure = new Error('no')
  await t.rejects(
    withLock(folder, () => Promise.reject(failure)),
    failure
  )
  t.equal(await withLock(folder, async () => 'again', 100), 'again')
})

t.test('Many that find the remains of a dead holder at once take the lock one after the other', async (t) => {
  for (let round = 0; round < 10; round++) {
    const folder = join(t.testdirName, String(round))
    mkdirSync(folder, { recursive: true })
    symlinkSync('holder-of-old', join(folder, '7'))
    const dead = await SocketFile.listen(folder, 'holder-of-old')
    await dead.close()
    let inside = 0
    const work = async () => {
      t.equal(++inside, 1)
      await sleep(1)
      inside--
    }
    await Promise.all(Array.from({ length: 8 }, () => withLock(folder, work)))
  }
})

t.test('A folder on a network file system is refused', async (t) => {
  const folder = t.testdir()
  t.throws(() => requireLockable(folder, () => 0x6969), { kind: 'store', code: 'store-unlockable' })
  requireLockable(folder, () => 0xef53)
})
