import { ChatError } from '../errors.js'

/** How long an update waits for others, in ms. Theirs may include a request to the server that times out. */
export const LOCK_TIMEOUT_MS = 60_000

/** One piece of work at a time, first come, first served. */
export class Mutex {
  /** Ends with the turn that was taken last. Never fails. */
  #last: Promise<void> = Promise.resolve()

  /**
   * Do `work` when all that came before has ended.
   *
   * @param patience how long to wait for that, in ms
   * @throws {ChatError} `store-busy` if that is not long enough; `work` is not done then
   */
  runExclusive<T>(work: () => Promise<T>, patience = LOCK_TIMEOUT_MS): Promise<T> {
    return new Promise((resolve, reject) => {
      let late = false
      const timer = setTimeout(() => {
        late = true
        reject(storeBusy('another update of the same program', patience))
      }, patience)
      const turn = async () => {
        clearTimeout(timer)
        if (!late) resolve(await work())
      }
      this.#last = this.#last.then(turn).catch(reject)
    })
  }
}

/** @param holder who does not let go */
export function storeBusy(holder: string, patience: number): ChatError {
  return new ChatError(
    'store',
    'store-busy',
    `The key store is still held by ${holder} after ${patience / 1000} s.`,
    {
      hint: 'Try again; if it lasts, end the program that holds it. An update may not begin another one.'
    }
  )
}
