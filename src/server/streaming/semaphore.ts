import { Problem } from '../http/problem.js'

/** Lets a few tasks run at once; others wait in line. */
export class Semaphore {
  readonly #slots: number
  #free: number
  /** How long a task that succeeds takes, in milliseconds: the newest count most. */
  #taskMs: number | undefined
  readonly #maxWaiting: number
  readonly #waiting: (() => void)[] = []

  constructor(slots: number, maxWaiting = Infinity) {
    this.#slots = slots
    this.#free = slots
    this.#maxWaiting = maxWaiting
  }

  #requireRoom(): void {
    if (this.#free === 0 && this.#waiting.length >= this.#maxWaiting) throw this.#overloaded()
  }

  /** @throws {Problem} `overloaded` if as many tasks wait as may, with the time after which it may try again */
  async run<T>(task: () => Promise<T>): Promise<T> {
    this.#requireRoom()
    if (this.#free > 0) this.#free--
    else await new Promise<void>((resolve) => this.#waiting.push(resolve))
    const start = performance.now()
    try {
      const result = await task()
      const took = performance.now() - start
      this.#taskMs = this.#taskMs === undefined ? took : this.#taskMs + (took - this.#taskMs) / 8
      return result
    } finally {
      const next = this.#waiting.shift()
      if (next === undefined) this.#free++
      else next()
    }
  }

  /** After the tasks that wait, and within the time of as many again: those that are refused together come back apart. */
  #overloaded(): Problem {
    const tasks = this.#waiting.length + Math.random() * this.#maxWaiting
    const seconds = Math.ceil((tasks * (this.#taskMs ?? 0)) / this.#slots / 1000)
    return new Problem('overloaded', undefined, undefined, Math.max(1, seconds))
  }
}
