import { chmodSync, closeSync, fsyncSync, mkdirSync, openSync, readdirSync } from 'node:fs'
import { dirname, join, resolve } from 'node:path'

/** Makes what was written to an open file last: `fs.fsyncSync`, or a stand-in that counts. */
export type Fsync = (fd: number) => void

/** Make a file's bytes, or a folder's entries, survive a power cut. */
export function syncPath(path: string, fsync: Fsync = fsyncSync): void {
  const fd = openSync(path, 'r')
  try {
    fsync(fd)
  } finally {
    closeSync(fd)
  }
}

/** Make a folder (0700) with its parents, as far as they are missing, and make them survive a power cut. */
export function makeFolder(folder: string): void {
  const first = mkdirSync(folder, { recursive: true, mode: 0o700 })
  if (first === undefined) return
  const above = dirname(resolve(first))
  for (let path = resolve(folder); path !== above; path = dirname(path)) syncPath(dirname(path))
}

/** Make a folder and all below it survive a power cut, for its owner's eyes only (0600, folders 0700). */
export function sealTree(folder: string, fsync: Fsync): void {
  for (const entry of readdirSync(folder, { withFileTypes: true })) {
    const path = join(folder, entry.name)
    if (entry.isDirectory()) {
      sealTree(path, fsync)
    } else {
      chmodSync(path, 0o600)
      syncPath(path, fsync)
    }
  }
  chmodSync(folder, 0o700)
  syncPath(folder, fsync)
}
