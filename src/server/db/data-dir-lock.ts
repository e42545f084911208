import { accessSync, constants, existsSync, statSync } from 'node:fs'
import { dirname, join, resolve } from 'node:path'
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
  requireAccess(resolve(dataDir))
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

/** Where all that the server keeps begins. */
const KEPT = ['', 'lock', 'pgdata', 'pgdata/PG_VERSION', 'jwt-secret']

/** @throws {Error} with the command that helps, if what is there, or the folder above, is not for this process */
function requireAccess(dataDir: string): void {
  const kept = KEPT.map((name) => join(dataDir, name)).filter((path) => existsSync(path))
  for (const path of kept.length > 0 ? kept : [lastExisting(dataDir)]) {
    const needed = path.endsWith('jwt-secret') ? constants.R_OK : constants.R_OK | constants.W_OK
    try {
      accessSync(path, needed | (statSync(path).isDirectory() ? constants.X_OK : 0))
    } catch (cause) {
      throw notAccessible(dataDir, path, cause as NodeJS.ErrnoException)
    }
  }
}

function lastExisting(path: string): string {
  return existsSync(path) ? path : lastExisting(dirname(path))
}

function notAccessible(dataDir: string, path: string, cause: NodeJS.ErrnoException): Error {
  const { uid: owner, mode } = statSync(path)
  const uid = ownUid()
  const octal = (mode & 0o777).toString(8).padStart(4, '0')
  const whose = `${path} belongs to uid ${owner} and has mode ${octal}, and the server runs as uid ${uid}`
  const command = existsSync(dataDir)
    ? `chown -R ${uid} ${dataDir} && chmod -R u+rwX ${dataDir}`
    : `mkdir -p ${dataDir} && chown ${uid} ${dataDir}`
  return new Error(
    `The data directory ${dataDir} cannot be used (${cause.code}): ${whose}. ` +
      `Run as root: ${command} – or choose another DATA_DIR.`,
    { cause }
  )
}

/** `process` belongs to the programs, and Linux tells it without. */
function ownUid(): number | string {
  return existsSync('/proc/self') ? statSync('/proc/self').uid : '$(id -u)'
}

function notLockable(dataDir: string, reason: string, options?: ErrorOptions): Error {
  return new Error(
    `The data directory ${dataDir} cannot be locked: ${reason}. ` +
      'Put it on a local disk (with Docker, a named volume), or set DATABASE_URL.',
    options
  )
}
