import { acquireLock, LockHeld, networkFileSystem } from '../../../node/lock.js'
import { ChatError } from '../../errors.js'
import { storeBusy } from '../mutex.js'

/**
 * Do `work` while no other process, nor another part of this one, does so with the same folder.
 *
 * @param patience how long to wait for others, in ms
 * @throws {ChatError} `store-busy` if that is not long enough
 */
export async function withLock<T>(folder: string, work: () => Promise<T>, patience: number): Promise<T> {
  const lock = await acquireLock(folder, patience).catch((error: unknown) => {
    throw error instanceof LockHeld ? storeBusy(error.holder, patience) : error
  })
  try {
    return await work()
  } finally {
    await lock.release()
  }
}

/** @throws {ChatError} `store-unlockable` if processes on other computers may use the folder too */
export function requireLockable(folder: string, fileSystem?: (path: string) => number): void {
  if (networkFileSystem(folder, fileSystem) === undefined) return
  throw new ChatError(
    'store',
    'store-unlockable',
    `${folder} is on a network file system, which has no safe locks.`,
    { hint: 'Choose a folder on a disk of this computer.' }
  )
}
