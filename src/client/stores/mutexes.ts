import { Mutex } from './mutex.js'

/** Runs one piece of work at a time for each name. */
export class Mutexes {
  readonly #mutexes = new Map<string, Mutex>()

  /** @throws {ChatError} as `Mutex.runExclusive` does */
  runExclusive<T>(name: string, work: () => Promise<T>): Promise<T> {
    let mutex = this.#mutexes.get(name)
    if (mutex === undefined) this.#mutexes.set(name, (mutex = new Mutex()))
    return mutex.runExclusive(work)
  }
}
