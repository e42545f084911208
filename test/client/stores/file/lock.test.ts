import t from 'tap'
import { requireLockable, withLock } from '../../../../src/client/stores/file/lock.js'

t.test(
  'The result of work under a lock is given, its failure too, and the lock is free after both',
  async (t) => {
    const folder = t.testdir()
    t.equal(await withLock(folder, async () => 'result', 100), 'result')
    const failure = new Error('no')
    await t.rejects(
      withLock(folder, () => Promise.reject(failure), 100),
      failure
    )
    t.equal(await withLock(folder, async () => 'again', 100), 'again')
  }
)

t.test('Work that waits too long for a lock is refused, and is not done', async (t) => {
  const folder = t.testdir()
  await withLock(
    folder,
    async () => {
      const waiting = withLock(folder, async () => t.fail('it was done'), 20)
      await t.rejects(waiting, { kind: 'store', code: 'store-busy', message: /held by another process/ })
    },
    100
  )
})

t.test('A folder on a network file system is refused', async (t) => {
  const folder = t.testdir()
  t.throws(() => requireLockable(folder, () => 0x6969), { kind: 'store', code: 'store-unlockable' })
  requireLockable(folder, () => 0xef53)
})
