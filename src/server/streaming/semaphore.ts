import { Problem } from '../http/problem.js'

/** Lets a few tasks run at once; others wait in line. */
export class Semaphore {
  #free: number
  readonly #maxWaiting: number
  readonly #waiting: (() => void)[] = []

  constructor(slots: number, maxWaiting = Infinity) {
    this.#free = slots
    this.#maxWaiting = maxWaiting
  }

  /** @throws {Problem} `overloaded` if as many tasks wait as may */
  async run<T>(task: () => Promise<T>): Promise<T> {
    if (this.#free > 0) this.#free--
    else if (this.#waiting.length >= this.#maxWaiting) throw new Problem('overloaded')
    else await new Promise<void>((resolve) => this.#waiting.push(resolve))
    try {
      return await task()
    } finally {
      const next = this.#waiting.shift()
      if (next === undefined) this.#free++
      else next()
    }
  }
}
