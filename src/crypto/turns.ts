/** Other work waits at most about this long, in milliseconds. */
const TURN_MS = 10

/** Lets other work run in the middle of a long loop. */
export class Turns {
  #since = performance.now()

  /** Call it in each round. Gives the event loop back if it was held for a while. */
  async next(): Promise<void> {
    if (performance.now() - this.#since < TURN_MS) return
    await new Promise((resolve) => setTimeout(resolve, 0))
    this.#since = performance.now()
  }
}
