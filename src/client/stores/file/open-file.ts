import { statSync } from 'node:fs'
import { open, type FileHandle } from 'node:fs/promises'

export interface OpenFile {
  handle: FileHandle
  dev: bigint
  ino: bigint
  size: number
  mode: number
}

/** Open a file for the result of `use`, which closes it in the end; close it here if `use` fails. */
export async function withOpenFile<T>(
  path: string,
  flags: string,
  use: (file: OpenFile) => Promise<T>
): Promise<T> {
  const handle = await open(path, flags, 0o600)
  try {
    const { dev, ino, size, mode } = await handle.stat({ bigint: true })
    return await use({ handle, dev, ino, size: Number(size), mode: Number(mode) })
  } catch (error) {
    await handle.close()
    throw error
  }
}

/** The size of the file at `path`; null if that is another file by now. */
export function sizeIfSame(path: string, { dev, ino }: OpenFile): number | null {
  // Every read of a store begins with this, and the thread pool would take ten times as long.
  const now = statSync(path, { bigint: true })
  return now.dev === dev && now.ino === ino ? Number(now.size) : null
}

/** Do `read`. @returns null if it failed, and the file at `path` is another one by now: the old one is erased */
export async function unlessReplaced<T>(
  path: string,
  file: OpenFile,
  read: () => Promise<T>
): Promise<T | null> {
  try {
    return await read()
  } catch (error) {
    if (sizeIfSame(path, file) === null) return null
    throw error
  }
}

export async function readBytes({ handle }: OpenFile, from: number, to: number): Promise<Buffer> {
  const bytes = Buffer.alloc(to - from)
  let done = 0
  while (done < bytes.length) {
    const { bytesRead } = await handle.read(bytes, done, bytes.length - done, from + done)
    if (bytesRead === 0) break
    done += bytesRead
  }
  return bytes.subarray(0, done)
}

export async function writeBytes({ handle }: OpenFile, bytes: Buffer, at: number): Promise<void> {
  for (let done = 0; done < bytes.length;) {
    done += (await handle.write(bytes, done, bytes.length - done, at + done)).bytesWritten
  }
}
