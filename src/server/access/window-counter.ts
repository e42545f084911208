interface Window {
  count: number
  endsAt: number
}

export interface Bounds {
  /** Attempts within a window. */
  max: number
  windowMs: number
  /** Keys that are remembered at most; of more, the oldest are forgotten. */
  remembered?: number
  now?: () => number
}

/** What is new in a key's window, and the milliseconds until it ends. */
export interface Change {
  key: string
  count: number
  ttl: number
}

/** Attempts, counted by key: who has made too many waits until the window ends that the first began. */
export class WindowCounter {
  readonly #windows = new Map<string, Window>()
  readonly #max: number
  readonly #windowMs: number
  readonly #remembered: number
  readonly #now: () => number
  /** What others have not been told; null where there are none. */
  #untold: Map<string, number> | null = null

  constructor({ max, windowMs, remembered = 50_000, now = () => performance.now() }: Bounds) {
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
    if (window === undefined) window = this.#begin(key, this.#now() + this.#windowMs)
    window.count += attempts
    this.#untold?.set(key, (this.#untold.get(key) ?? 0) + attempts)
    return { current: window.count, ttl: window.endsAt - this.#now() }
  }

  /** Take back one that was counted and has turned out well. */
  takeBack(key: string): void {
    if ((this.#open(key)?.count ?? 0) > 0) this.count(key, -1)
  }

  forget(key: string): void {
    const window = this.#open(key)
    if (window !== undefined) this.count(key, -window.count)
  }

  /** Begin to keep what has to be told to others. */
  share(): void {
    this.#untold ??= new Map()
  }

  /** What has changed since the last time, to be told to others. */
  takeChanges(): Change[] {
    const changes = [...(this.#untold ?? [])].map(([key, count]) => {
      const window = this.#open(key)
      return { key, count, ttl: window === undefined ? 0 : Math.ceil(window.endsAt - this.#now()) }
    })
    this.#untold?.clear()
    return changes.filter(({ ttl }) => ttl > 0)
  }

  /** What others know of a key, beside what they have not been told yet. */
  merge({ key, count, ttl }: Change): void {
    const window = this.#open(key) ?? this.#begin(key, 0)
    window.count = Math.max(0, count + (this.#untold?.get(key) ?? 0))
    window.endsAt = this.#now() + ttl
  }

  #begin(key: string, endsAt: number): Window {
    if (this.#windows.size >= this.#remembered) this.#windows.delete(this.#windows.keys().next().value!)
    const window = { count: 0, endsAt }
    this.#windows.set(key, window)
    return window
  }

  #open(key: string): Window | undefined {
    const window = this.#windows.get(key)
    if (window === undefined || window.endsAt > this.#now()) return window
    this.#windows.delete(key)
    return undefined
  }
}
