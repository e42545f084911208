interface Window {
  count: number
  endsAt: number
}

interface Bounds {
  /** Attempts within a window. */
  max: number
  windowMs: number
  /** Keys that are remembered at most; of more, the oldest are forgotten. */
  remembered?: number
  now?: () => number
}

/** Attempts, counted by key: who has made too many waits until the window ends that the first began. */
export class Attempts {
  readonly #windows = new Map<string, Window>()
  readonly #max: number
  readonly #windowMs: number
  readonly #remembered: number
  readonly #now: () => number

  constructor({ max, windowMs, remembered = 50_000, now = Date.now }: Bounds) {
    this.#max = max
    this.#windowMs = windowMs
    this.#remembered = remembered
    this.#now = now
  }

  /** Seconds until the next attempt is allowed, 0 if it is now. */
  wait(key: string): number {
    const window = this.#open(key)
    return window === undefined || window.count < this.#max
      ? 0
      : Math.ceil((window.endsAt - this.#now()) / 1000)
  }

  /** @returns how many there are in the window now, and in how many milliseconds it ends */
  count(key: string, attempts = 1): { current: number; ttl: number } {
    let window = this.#open(key)
    if (window === undefined) {
      if (this.#windows.size >= this.#remembered) this.#windows.delete(this.#windows.keys().next().value!)
      window = { count: 0, endsAt: this.#now() + this.#windowMs }
      this.#windows.set(key, window)
    }
    window.count += attempts
    return { current: window.count, ttl: window.endsAt - this.#now() }
  }

  /** Take back one that was counted and has turned out well. */
  takeBack(key: string): void {
    const window = this.#open(key)
    if (window !== undefined && window.count > 0) window.count--
  }

  forget(key: string): void {
    this.#windows.delete(key)
  }

  #open(key: string): Window | undefined {
    const window = this.#windows.get(key)
    if (window === undefined || window.endsAt > this.#now()) return window
    this.#windows.delete(key)
    return undefined
  }
}
