import { join, resolve } from 'node:path'
import { makeFolder } from '../../node/durable-folder.js'
import { acquireLock, LockHeld, networkFileSystem, type Lock } from '../../node/lock.js'

/** Another process holds the data directory, and it is alive. */
export class DataDirLocked extends Error {
  constructor(dataDir: string, holder: string) {
    super(
      `The data directory ${dataDir} is in use by ${holder}. Stop that first, or choose another DATA_DIR.`
    )
    this.name = 'DataDirLocked'
  }
}

/**
 * Lock a data directory for this process; make it (0700) if it is missing.
 * How far the lock reaches: docs/decisions/0003-data-directory-lock.md.
 *
 * @param fileSystem the type of a path's file system, as statfs(2) numbers it
 * @throws {DataDirLocked} if another process holds it
 * @throws {Error} if it cannot be locked, as on a network file system
 */
export async function lockDataDir(dataDir: string, fileSystem?: (path: string) => number): Promise<Lock> {
  const folder = join(resolve(dataDir), 'lock')
  makeFolder(folder)
  const network = networkFileSystem(folder, fileSystem)
  if (network !== undefined) throw notLockable(dataDir, `it is on a network file system (${network})`)
  try {
    return await acquireLock(folder, 0)
  } catch (cause) {
    if (cause instanceof LockHeld) throw new DataDirLocked(dataDir, cause.holder)
    throw notLockable(dataDir, (cause as Error).message, { cause })
  }
}

function notLockable(dataDir: string, reason: string, options?: ErrorOptions): Error {
  return new Error(
    `The data directory ${dataDir} cannot be locked: ${reason}. ` +
      'Put it on a local disk (with Docker, a named volume), or set DATABASE_URL.',
    options
  )
}
