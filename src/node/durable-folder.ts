import { closeSync, fsyncSync, mkdirSync, openSync } from 'node:fs'
import { open } from 'node:fs/promises'
import { dirname, resolve } from 'node:path'

/** Make a folder (0700) with all parents that are missing. They survive a power cut. */
export function makeFolder(folder: string): void {
  const first = mkdirSync(folder, { recursive: true, mode: 0o700 })
  if (first === undefined) return
  const above = dirname(resolve(first))
  for (let path = resolve(folder); path !== above; path = dirname(path)) syncPath(dirname(path))
}

/**
 * Make the bytes of a file, or the entries of a folder, survive a power cut. Blocks until they do.
 *
 * @param fsync in place of `fs.fsyncSync`, for example to count
 */
export function syncPath(path: string, fsync: (fd: number) => void = fsyncSync): void {
  const fd = openSync(path, 'r')
  try {
    fsync(fd)
  } finally {
    closeSync(fd)
  }
}

/** Like `syncPath`, without blocking the event loop. */
export async function syncPathAsync(path: string): Promise<void> {
  const handle = await open(path, 'r')
  try {
    await handle.sync()
  } finally {
    await handle.close()
  }
}
