/** Things that wait, each for a key. Keys are served in turn, so that one with many delays the others by one only. */
export class QueueByKey<T> {
  /** In the order of the keys' next turns. */
  readonly #waiting = new Map<string, T[]>()

  get isEmpty(): boolean {
    return this.#waiting.size === 0
  }

  count(key: string): number {
    return this.#waiting.get(key)?.length ?? 0
  }

  add(key: string, item: T): void {
    const items = this.#waiting.get(key)
    if (items === undefined) this.#waiting.set(key, [item])
    else items.push(item)
  }

  /** @returns whether it waited still */
  remove(key: string, item: T): boolean {
    const items = this.#waiting.get(key) ?? []
    const at = items.indexOf(item)
    if (at < 0) return false
    items.splice(at, 1)
    if (items.length === 0) this.#waiting.delete(key)
    return true
  }

  /** The next one, of a key that may have its turn; undefined if there is none. */
  take(mayHaveTurn: (key: string) => boolean = () => true): { key: string; item: T } | undefined {
    for (const [key, items] of this.#waiting) {
      if (!mayHaveTurn(key)) continue
      const item = items.shift()!
      // Behind the others, if it has more.
      this.#waiting.delete(key)
      if (items.length > 0) this.#waiting.set(key, items)
      return { key, item }
    }
    return undefined
  }
}
