import { closeSync, openSync, unlink } from 'node:fs'
import { connect, createServer, type Server, type Socket } from 'node:net'
import { platform } from 'node:os'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'

/** Bytes of a path that every system accepts for a socket. */
const LONGEST_PATH = 103

/** A listening Unix socket that holds every call until it is closed. It does not keep the process alive. */
export class SocketFile {
  readonly #calls = new Set<Socket>()
  readonly #file: string
  readonly #server: Server

  private constructor(file: string) {
    this.#file = file
    this.#server = createServer((call) => {
      this.#calls.add(call.unref())
      call.on('error', () => {}).on('close', () => this.#calls.delete(call))
    }).unref()
  }

  /**
   * Listen on a new socket `<folder>/<name>`. The kernel closes it when the process ends, however it ends.
   */
  static async listen(folder: string, name: string): Promise<SocketFile> {
    const file = new SocketFile(join(folder, name))
    await withSocketPath(folder, name, (path) => {
      const listening = new Promise<void>((resolve, reject) => {
        file.#server.on('error', reject).once('listening', resolve)
      })
      // Without `exclusive`, a cluster's primary would listen in place of its worker.
      file.#server.listen({ path, exclusive: true })
      return listening
    })
    return file
  }

  /** @returns when nobody can call any more, every call has been hung up, and the file is gone */
  close(): Promise<void> {
    return new Promise((resolve) => {
      this.#server.close(() => {
        // Node removes it by the path that it listened on, which may have led through an open folder.
        unlink(this.#file, () => resolve())
      })
      for (const call of this.#calls) call.destroy()
    })
  }
}

/**
 * Call a socket and wait until it hangs up. The kernel hangs up for a process that has ended.
 *
 * @param patience how long to wait, in ms; with 0 or less, the call only finds out whether anybody listens
 * @returns true only if nobody listens any more for certain; otherwise another call may tell
 */
export async function waitUntilSilent(folder: string, name: string, patience: number): Promise<boolean> {
  const failure = await withSocketPath(folder, name, (path) => {
    let timer: NodeJS.Timeout | undefined
    const socket = connect({ path }).resume()
    socket.once('connect', () => {
      timer = setTimeout(() => socket.destroy(), Math.max(0, patience))
    })
    return new Promise<string | undefined>((resolve) => {
      socket.once('error', ({ code }: NodeJS.ErrnoException) => resolve(code))
      socket.once('close', () => resolve(undefined))
    }).finally(() => clearTimeout(timer))
  })
  if (failure === 'ECONNREFUSED' || failure === 'ENOENT') return true
  // For example EAGAIN: too many callers are waiting already.
  if (failure !== undefined) await sleep(10)
  return false
}

/** How many bytes the name of a socket in this folder may have. */
export function roomForName(folder: string): number {
  return platform() === 'linux' ? LONGEST_PATH : LONGEST_PATH - Buffer.byteLength(join(folder, '/'))
}

/** A socket's address has room for some 100 bytes. Linux reaches a longer path through the open folder. */
export async function withSocketPath<T>(
  folder: string,
  name: string,
  use: (path: string) => Promise<T>
): Promise<T> {
  const path = join(folder, name)
  if (Buffer.byteLength(path) <= LONGEST_PATH || platform() !== 'linux') return use(path)
  const fd = openSync(folder, 'r')
  try {
    return await use(`/proc/self/fd/${fd}/${name}`)
  } finally {
    closeSync(fd)
  }
}
