import { pbkdf2Sync } from 'node:crypto'
import { platform, setPriority } from 'node:os'
import { parentPort } from 'node:worker_threads'

/** What a thread is asked to derive. */
export interface Derivation {
  password: string
  salt: Uint8Array
  iterations: number
  /** Length of the result. */
  bytes: number
}

// On Linux this concerns only the calling thread; elsewhere it would slow down the whole server.
if (platform() === 'linux') setPriority(0, 10)

parentPort!.on('message', ({ password, salt, iterations, bytes }: Derivation) => {
  parentPort!.postMessage(pbkdf2Sync(password, salt, iterations, bytes, 'sha256'))
})
