/**
 * Lets a few tasks run at once, and only one of each key. Keys that wait are served in turn, so that one with many
 * tasks delays the others by one task only.
 */
export class Turns {
  #free: number
  readonly #running = new Set<string>()
  /** In the order of the keys' next turns. */
  readonly #waiting = new Map<string, (() => void)[]>()

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
      const tasks = this.#waiting.get(key)
      if (tasks === undefined) this.#waiting.set(key, [resolve])
      else tasks.push(resolve)
      this.#next()
    })
  }

  #next(): void {
    if (this.#free === 0) return
    for (const [key, tasks] of this.#waiting) {
      if (this.#running.has(key)) continue
      this.#waiting.delete(key)
      const start = tasks.shift()!
      if (tasks.length > 0) this.#waiting.set(key, tasks)
      this.#free--
      this.#running.add(key)
      start()
      return
    }
  }
}
