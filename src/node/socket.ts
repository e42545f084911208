import { closeSync, openSync } from 'node:fs'
import { connect, createServer, type Server, type Socket } from 'node:net'
import { platform } from 'node:os'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'

/** Bytes of a path that every system takes for a socket. */
const LONGEST_PATH = 103

/** A listening Unix socket that takes calls and leaves them waiting. It does not keep the process alive. */
export class SocketFile {
  readonly #calls = new Set<Socket>()
  readonly #server: Server

  private constructor() {
    this.#server = createServer((call) => {
      this.#calls.add(call.unref())
      call.on('error', () => {}).on('close', () => this.#calls.delete(call))
    }).unref()
  }

  static async listen(folder: string, name: string): Promise<SocketFile> {
    const file = new SocketFile()
    await withSocketPath(folder, name, (path) => {
      const listening = new Promise<void>((resolve, reject) => {
        file.#server.on('error', reject).once('listening', resolve)
      })
      // Not `exclusive`, a cluster's primary would listen in a worker's place.
      file.#server.listen({ path, exclusive: true })
      return listening
    })
    return file
  }

  /** @returns when nobody can call any more, and all that did have been hung up on */
  close(): Promise<void> {
    return new Promise((resolve) => {
      this.#server.close(() => resolve())
      for (const call of this.#calls) call.destroy()
    })
  }
}

/**
 * Call a socket and wait until it hangs up; the kernel does so for a process that has ended.
 *
 * @param patience how long to wait, in ms
 * @returns true only if it is certain that nobody listens any more; else it is worth another call
 */
export async function waitAtSocket(folder: string, name: string, patience: number): Promise<boolean> {
  const failure = await withSocketPath(folder, name, (path) => {
    const socket = connect({ path }).resume()
    const timer = setTimeout(() => socket.destroy(), Math.max(0, patience))
    return new Promise<string | undefined>((resolve) => {
      socket.once('error', ({ code }: NodeJS.ErrnoException) => resolve(code))
      socket.once('close', () => resolve(undefined))
    }).finally(() => clearTimeout(timer))
  })
  if (failure === 'ECONNREFUSED' || failure === 'ENOENT') return true
  // As when too many are waiting already.
  if (failure !== undefined) await sleep(10)
  return false
}

/** A socket's address has room for some 100 bytes only; Linux reaches a longer path through the open folder. */
async function withSocketPath<T>(
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
