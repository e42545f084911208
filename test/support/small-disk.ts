import { execFile } from 'node:child_process'
import { mkdtemp, open, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { promisify } from 'node:util'
import type { Scope } from './server-process.js'

const run = promisify(execFile)

const DISK_MIB = 400

/** A disk in memory that can be filled to the last byte. */
export class SmallDisk {
  readonly folder: string
  readonly #ballast: string

  private constructor(folder: string) {
    this.folder = folder
    this.#ballast = join(folder, 'ballast')
  }

  /** A text is the reason why this machine makes none. */
  static async make(owner: Scope): Promise<SmallDisk | string> {
    if (process.getuid?.() !== 0 || process.platform !== 'linux')
      return 'only root on Linux can make a small disk'
    const folder = await mkdtemp(join(tmpdir(), 'secure-chat-disk-'))
    const options = ['-t', 'tmpfs', '-o', `size=${DISK_MIB}m`, 'tmpfs', folder]
    const failed = await run('mount', options).then(
      () => false,
      () => true
    )
    if (failed) return 'root may not mount a disk here'
    owner.teardown(async () => {
      await run('umount', ['--lazy', folder])
      await rm(folder, { recursive: true })
    })
    return new SmallDisk(folder)
  }

  /** Write until nothing more fits. */
  async fill(): Promise<void> {
    const file = await open(this.#ballast, 'w')
    try {
      for (;;) await file.write(Buffer.alloc(65_536, 1))
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== 'ENOSPC') throw error
    } finally {
      await file.close()
    }
  }

  async clear(): Promise<void> {
    await rm(this.#ballast)
  }
}
