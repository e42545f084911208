import { closeSync, openSync } from 'node:fs'
import { connect, createServer, type Server } from 'node:net'
import { platform } from 'node:os'
import { join } from 'node:path'

/** Bytes of a path that every system takes for a socket. */
const LONGEST_PATH = 103

/**
 * Listen on a new socket `<folder>/<name>`, and hang up on whoever calls. The kernel stops answering when the process
 * ends, however it ends; that it listens does not keep the process alive.
 */
export async function listenOn(folder: string, name: string): Promise<Server> {
  const server = createServer((socket) => socket.destroy()).unref()
  await withSocketPath(folder, name, (path) => {
    const listening = new Promise<void>((resolve, reject) => {
      server.on('error', reject).once('listening', resolve)
    })
    // Not `exclusive`, a cluster's primary would listen in a worker's place.
    server.listen({ path, exclusive: true })
    return listening
  })
  return server
}

/** Whether somebody listens on a socket; whoever cannot be asked (say, for lack of rights) counts as listening. */
export async function isAnswered(folder: string, name: string): Promise<boolean> {
  return withSocketPath(folder, name, (path) => {
    const socket = connect({ path })
    return new Promise<boolean>((resolve) => {
      socket.once('connect', () => resolve(true))
      socket.once('error', ({ code }: NodeJS.ErrnoException) =>
        resolve(code !== 'ECONNREFUSED' && code !== 'ENOENT')
      )
    }).finally(() => socket.destroy())
  })
}

/** @returns when nobody can reach the socket any more and its file is gone */
export function stopListening(server: Server): Promise<void> {
  return new Promise((resolve) => {
    server.close(() => resolve())
  })
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
