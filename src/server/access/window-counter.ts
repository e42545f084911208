interface Window {
  count: number
  endsAt: number
}

export interface Bounds {
  /** Attempts within a window. */
  max: number
  windowMs: number
  /** Most keys that are remembered; the oldest are forgotten first. */
  remembered?: number
  now?: () => number
}

/** Attempts in a key's window, and the milliseconds until it ends. */
export interface Change {
  key: string
  count: number
  ttl: number
}

/** A key is that of its owner; a place may follow after a space. */
export const ownerOf = (key: string): string => key.split(' ', 1)[0]!

/**
 * Attempts, counted by key. After too many, the key must wait until the window ends that its first attempt
 * began.
 */
export class WindowCounter {
  readonly #windows = new Map<string, Window>()
  readonly max: number
  readonly #windowMs: number
  readonly #remembered: number
  readonly #now: () => number
  /** Attempts that the other processes do not know of; null if the counter is not shared. */
  #unpublished: Map<string, number> | null = null

  constructor({ max, windowMs, remembered = 50_000, now = () => performance.now() }: Bounds) {
    this.max = max
    this.#windowMs = windowMs
    this.#remembered = remembered
    this.#now = now
  }

  /** Seconds until the next attempt is allowed, 0 if it is now. */
  wait(key: string): number {
    const window = this.#open(key)
    return window === undefined || window.count < this.max
      ? 0
      : Math.ceil((window.endsAt - this.#now()) / 1000)
  }

  /** Whether more attempts, `attempts` of them, keep to the limit. */
  has(key: string, attempts: number): boolean {
    return (this.#open(key)?.count ?? 0) + attempts <= this.max
  }

  /** @returns the attempts in the window now, and the milliseconds until it ends */
  count(key: string, attempts = 1): { current: number; ttl: number } {
    let window = this.#open(key)
    if (window === undefined) window = this.#begin(key, this.#now() + this.#windowMs)
    window.count += attempts
    this.#unpublished?.set(key, (this.#unpublished.get(key) ?? 0) + attempts)
    return { current: window.count, ttl: window.endsAt - this.#now() }
  }

  /** Take back attempts that have succeeded. */
  takeBack(key: string, attempts = 1): void {
    const counted = Math.min(this.#open(key)?.count ?? 0, attempts)
    if (counted > 0) this.count(key, -counted)
  }

  forget(key: string): void {
    const window = this.#open(key)
    if (window !== undefined) this.count(key, -window.count)
  }

  /** The attempts of an owner: those whose key is `owner`, or begins with it and a space. */
  ofOwner(owner: string): Change[] {
    return this.#keysOf(owner).flatMap((key) => {
      const window = this.#open(key)
      return window === undefined ? [] : [{ key, count: window.count, ttl: window.endsAt - this.#now() }]
    })
  }

  /** Begin with nothing for an owner, here only: the other processes do the same. */
  reset(owner: string): void {
    for (const key of this.#keysOf(owner)) {
      this.#windows.delete(key)
      this.#unpublished?.delete(key)
    }
  }

  /** Collect changes from now on, for `takeChanges`. */
  share(): void {
    this.#unpublished ??= new Map()
  }

  /** The attempts since the last call, to be published to the other processes. */
  takeChanges(): Change[] {
    const changes = [...(this.#unpublished ?? [])].map(([key, count]) => {
      const window = this.#open(key)
      return { key, count, ttl: window === undefined ? 0 : Math.ceil(window.endsAt - this.#now()) }
    })
    this.#unpublished?.clear()
    return changes.filter(({ ttl }) => ttl > 0)
  }

  /** Apply the shared count of a key, keeping local attempts that are not published yet. */
  merge({ key, count, ttl }: Change): void {
    const window = this.#open(key) ?? this.#begin(key, 0)
    window.count = Math.max(0, count + (this.#unpublished?.get(key) ?? 0))
    window.endsAt = this.#now() + ttl
  }

  #keysOf(owner: string): string[] {
    return [...this.#windows.keys()].filter((key) => ownerOf(key) === owner)
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
