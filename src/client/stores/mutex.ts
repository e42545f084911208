import { ChatError } from '../errors.js'

/** How long an update waits for others, which may include a request to the server that times out. */
export const LOCK_TIMEOUT_MS = 60_000

/** Runs one piece of work at a time, in the order of the calls. */
export class Mutex {
  /** Resolves when all work so far has ended. Never rejects. */
  #last: Promise<void> = Promise.resolve()

  /**
   * Run `work` when all earlier work has ended.
   *
   * @param timeoutMs how long to wait for that
   * @throws {ChatError} `store-busy` if it takes longer; then `work` is not run
   */
  runExclusive<T>(work: () => Promise<T>, timeoutMs = LOCK_TIMEOUT_MS): Promise<T> {
    return new Promise((resolve, reject) => {
      let isLate = false
      const timer = setTimeout(() => {
        isLate = true
        reject(storeBusy('another update of the same program', timeoutMs))
      }, timeoutMs)
      const run = async () => {
        clearTimeout(timer)
        if (!isLate) resolve(await work())
      }
      this.#last = this.#last.then(run).catch(reject)
    })
  }
}

/** @param holder who holds the lock */
export function storeBusy(holder: string, timeoutMs: number): ChatError {
  return new ChatError(
    'store',
    'store-busy',
    `The key store is still held by ${holder} after ${timeoutMs / 1000} s.`,
    {
      hint: 'Try again; if it lasts, end the program that holds it. An update may not begin another one.'
    }
  )
}
