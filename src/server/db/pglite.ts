import { randomBytes } from 'node:crypto'
import { existsSync, fsyncSync, mkdirSync, readdirSync, renameSync, rmSync } from 'node:fs'
import { dirname, join, resolve } from 'node:path'
import { PGlite } from '@electric-sql/pglite'
import { makeFolder, syncPath } from '../../node/durable-folder.js'
import { DurableFs, type Fsync } from './durable-fs.js'
import { unpackNewDatabase } from './new-database.js'

export interface PgliteOptions {
  /**
   * In place of `fs.fsyncSync`, for example to count. An error that it throws reaches PostgreSQL as a failed
   * fsync.
   */
  fsync?: Fsync
  /**
   * Called at most once, if the database aborts while open, as when the disk fails. All queries fail from
   * then on; opening it again recovers every commit. By default the error is thrown as an uncaught exception.
   */
  onCrash?: (error: Error) => void
}

/**
 * Follow PGlite's own parameters, which turn fsync off (`-F`): the last one counts. Its 128 MiB of buffers would be a
 * third of the process; the kernel keeps the files in memory, too. A checkpoint writes no more than the buffers hold.
 */
const PARAMETERS = ['fsync=on', 'wal_sync_method=fsync', 'shared_buffers=32MB'].flatMap((it) => ['-c', it])

/**
 * Open the embedded database in `<dataDir>/pgdata`; the first time, make both (0700). A commit that has been
 * answered survives kill -9 and a power cut. Takes some 0.4 s, the first time 1 s.
 *
 * The caller holds the lock of `lockDataDir`: two processes on one folder destroy it.
 *
 * @throws {Error} with PostgreSQL's own reason if the folder is damaged or of another version
 */
export async function openPglite(dataDir: string, options: PgliteOptions = {}): Promise<PGlite> {
  const { fsync = fsyncSync, onCrash = throwUncaught } = options
  const folder = join(resolve(dataDir), 'pgdata')
  makeFolder(dataDir)
  removeUnfinished(folder)
  if (!existsSync(join(folder, 'PG_VERSION'))) create(folder, fsync)
  return start(folder, fsync, onCrash)
}

function removeUnfinished(folder: string): void {
  for (const name of readdirSync(dirname(folder)))
    if (name.startsWith('pgdata.new-')) rmSync(join(dirname(folder), name), { recursive: true })
}

/** Created under another name: a folder that was left half made does not open again. */
function create(folder: string, fsync: Fsync): void {
  if (existsSync(folder) && readdirSync(folder).length > 0)
    throw new Error(
      `${folder} is not empty and holds no database. Move it away, or restore it from a backup.`
    )
  const unfinished = `${folder}.new-${randomBytes(6).toString('hex')}`
  mkdirSync(unfinished, { mode: 0o700 })
  unpackNewDatabase(unfinished, fsync)
  renameSync(unfinished, folder)
  syncPath(dirname(folder), fsync)
}

async function start(folder: string, fsync: Fsync, onCrash: (error: Error) => void): Promise<PGlite> {
  let reason = ''
  let isReason = false
  const pglite: PGlite = new PGlite({
    fs: new DurableFs(folder, {
      fsync,
      onWalSegment() {
        // PGlite has no checkpointer, and the log would grow without end. The process stands still meanwhile: 16 MiB of
        // log at a time keep that short.
        void pglite.exec('CHECKPOINT').catch(() => {})
      },
      onAbort() {
        const error = new Error(`The database in ${folder} has stopped: ${reason || 'PostgreSQL aborted.'}`)
        pglite.execProtocolRawSync = () => {
          throw error
        }
        if (pglite.ready) onCrash(error)
      }
    }),
    startParams: [...PGlite.defaultStartParams, ...PARAMETERS],
    onStderr(line) {
      const [, level, text = ''] = /\b([A-Z]+): +(.*)/.exec(line) ?? []
      if (level === 'FATAL' || level === 'PANIC') reason = `${text}.`
      // An ordinary error's detail may hold a user's data.
      else if (level === 'DETAIL' && isReason) reason += ` ${text}`
      isReason = level === 'FATAL' || level === 'PANIC'
      return false
    }
  })
  try {
    await pglite.waitReady
  } catch (cause) {
    throw new Error(`The database in ${folder} does not open: ${reason || String(cause)}`, { cause })
  }
  return pglite
}

function throwUncaught(error: Error): void {
  setImmediate(() => {
    throw error
  })
}
