import { randomBytes } from 'node:crypto'
import { open, rename, rm, type FileHandle } from 'node:fs/promises'
import { dirname } from 'node:path'
import { syncPathAsync } from '../node/durable-folder.js'
import { UsageError } from './errors.js'

/**
 * Write a file that nobody else may read. It has its name only when it is complete: an interruption leaves none.
 *
 * @throws {UsageError} if it can't be made there
 */
export async function writeWhole(path: string, work: (file: FileHandle) => Promise<void>): Promise<void> {
  const unfinished = `${path}.new-${randomBytes(6).toString('hex')}`
  const file = await open(unfinished, 'wx', 0o600).catch((error: unknown) => {
    throw new UsageError(`${path} can't be written: ${(error as Error).message}`)
  })
  try {
    await work(file)
    await file.sync()
    await file.close()
    await rename(unfinished, path)
    await syncPathAsync(dirname(path))
  } catch (error) {
    await file.close().catch(() => undefined)
    await rm(unfinished, { force: true })
    throw error
  }
}
