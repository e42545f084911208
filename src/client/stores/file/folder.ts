import { mkdir, open, stat } from 'node:fs/promises'
import { dirname, resolve } from 'node:path'
import { ChatError } from '../../errors.js'

/**
 * Make a folder (0700) with its parents, as far as they are missing, and make them survive a power cut.
 *
 * @throws {ChatError} `store-exposed` if it is there already, and others may enter it
 */
export async function makePrivateFolder(folder: string): Promise<void> {
  const first = await mkdir(folder, { recursive: true, mode: 0o700 })
  if (first !== undefined) {
    const above = dirname(resolve(first))
    for (let path = resolve(folder); path !== above; path = dirname(path)) await syncFolder(dirname(path))
  }
  requirePrivate(folder, (await stat(folder)).mode)
}

/**
 * Permissions that are too wide are not mended in silence: somebody may have used them.
 *
 * @throws {ChatError} `store-exposed` unless a file or folder is its owner's alone
 */
export function requirePrivate(path: string, mode: number): void {
  if ((mode & 0o077) === 0) return
  throw new ChatError('store', 'store-exposed', `Other users of this computer may have access to ${path}.`, {
    hint: `If nobody can have used that, go on after: chmod -R go= '${path}'`
  })
}

/** Make a folder's entries survive a power cut. */
export async function syncFolder(folder: string): Promise<void> {
  const handle = await open(folder, 'r')
  try {
    await handle.sync()
  } finally {
    await handle.close()
  }
}
