import { QueueByKey } from './queue-by-key.js'

/** Lets a few tasks run at once, and only one of each key. Keys that wait are served in turn. */
export class Turns {
  #free: number
  readonly #running = new Set<string>()
  readonly #waiting = new QueueByKey<() => void>()

  constructor(slots: number) {
    this.#free = slots
  }

  async run<T>(key: string, task: () => Promise<T>): Promise<T> {
    await this.#turn(key)
    try {
      return await task()
    } finally {
      this.#free++
      this.#running.delete(key)
      this.#next()
    }
  }

  #turn(key: string): Promise<void> {
    return new Promise((resolve) => {
      this.#waiting.add(key, resolve)
      this.#next()
    })
  }

  #next(): void {
    if (this.#free === 0) return
    const next = this.#waiting.take((key) => !this.#running.has(key))
    if (next === undefined) return
    this.#free--
    this.#running.add(next.key)
    next.item()
  }
}
