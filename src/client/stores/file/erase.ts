import { existsSync } from 'node:fs'
import { open, rm } from 'node:fs/promises'

const ZEROS = Buffer.alloc(0x10000)

/**
 * Overwrite a file, if there is one, and remove it. A file that has another name is left alone under that
 * name.
 */
export async function eraseFile(path: string): Promise<void> {
  if (!existsSync(path)) return
  // On a disk that refuses to overwrite, removing is the most that can be done.
  await overwrite(path).catch(() => undefined)
  await rm(path, { force: true })
}

async function overwrite(path: string): Promise<void> {
  const handle = await open(path, 'r+')
  try {
    const { size, nlink } = await handle.stat()
    if (nlink > 1) return
    for (let at = 0; at < size; at += ZEROS.length)
      await handle.write(ZEROS, 0, Math.min(ZEROS.length, size - at), at)
    await handle.datasync()
  } finally {
    await handle.close()
  }
}
