import { Problem } from '../http/problem.js'

/** Over this time after the end of the line, those that are refused are spread. */
const MOST_LATER_MS = 60_000

/** Lets a few tasks run at once; others wait in line. */
export class Semaphore {
  readonly #slots: number
  #free: number
  /** How long a task takes, in milliseconds: the newest count most. */
  #taskMs: number | undefined
  readonly #maxWaiting: number
  readonly #waiting: (() => void)[] = []
  /** The time of the task that was refused last: those that are refused come again one after the other. */
  #lastTurn = 0

  constructor(slots: number, maxWaiting = Infinity) {
    this.#slots = slots
    this.#free = slots
    this.#maxWaiting = maxWaiting
  }

  #requireRoom(): void {
    if (this.#free === 0 && this.#waiting.length >= this.#maxWaiting) throw this.#overloaded()
  }

  /** @throws {Problem} `overloaded` if as many tasks wait as may, with the time after which there is a turn for this one */
  async run<T>(task: () => Promise<T>): Promise<T> {
    this.#requireRoom()
    if (this.#free > 0) this.#free--
    else await new Promise<void>((resolve) => this.#waiting.push(resolve))
    const start = performance.now()
    try {
      return await task()
    } finally {
      const took = performance.now() - start
      this.#taskMs = this.#taskMs === undefined ? took : this.#taskMs + (took - this.#taskMs) / 8
      const next = this.#waiting.shift()
      if (next === undefined) this.#free++
      else next()
    }
  }

  #overloaded(): Problem {
    const now = performance.now()
    const turnMs = (this.#taskMs ?? 0) / this.#slots
    const endOfLine = now + this.#waiting.length * turnMs
    const turn = Math.max(endOfLine, this.#lastTurn + turnMs)
    this.#lastTurn = turn - endOfLine < MOST_LATER_MS ? turn : endOfLine
    return new Problem(
      'overloaded',
      undefined,
      undefined,
      Math.max(1, Math.ceil((this.#lastTurn - now) / 1000))
    )
  }
}
