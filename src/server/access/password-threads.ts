import { Worker } from 'node:worker_threads'
import { PASSWORD_THREAD } from '../files.js'
import type { Derivation } from './password-thread.js'

/** Threads of this process that have nothing to do. They keep no process alive. */
const idle: Worker[] = []

/**
 * PBKDF2-HMAC-SHA-256 in a thread of low priority: on a busy machine all else comes first (decision 33). A thread is
 * started if none is idle, so the caller bounds how many run at once.
 */
export function derive(task: Derivation): Promise<Buffer> {
  const thread = idle.pop() ?? new Worker(PASSWORD_THREAD, { execArgv: [], env: {} })
  thread.ref()
  return new Promise<Buffer>((resolve, reject) => {
    const done = (hash: Uint8Array) => {
      thread.off('error', failed).off('exit', failed).unref()
      idle.push(thread)
      resolve(Buffer.from(hash))
    }
    const failed = (error: unknown) => {
      reject(error instanceof Error ? error : new Error(`a thread for passwords has ended: ${String(error)}`))
    }
    thread.once('message', done).once('error', failed).once('exit', failed)
    thread.postMessage(task)
  })
}
