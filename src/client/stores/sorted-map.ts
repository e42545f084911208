/** Up to this number, new names are put into their places one by one; for more, all are sorted again. */
const FEW = 32

export interface ReadonlySortedMap<T> extends ReadonlyMap<string, T> {
  under(prefix: string, after?: string, limit?: number): [string, T][]
}

/** A map that lists the names with a prefix in order, without looking at the others. */
export class SortedMap<T> extends Map<string, T> implements ReadonlySortedMap<T> {
  /** Sorted. Names that were deleted may still stand here. */
  #names: string[] = []
  /** Names that are new since `#names` was sorted. */
  #added: string[] = []

  override set(name: string, value: T): this {
    if (!this.has(name)) this.#added.push(name)
    return super.set(name, value)
  }

  override clear(): void {
    super.clear()
    this.#names = []
    this.#added = []
  }

  /** Entries whose names begin with `prefix` and come after `after`, sorted by name, at most `limit`. */
  under(prefix: string, after = '', limit = Infinity): [string, T][] {
    this.#sort()
    const found: [string, T][] = []
    let at = this.#placeOf(after > prefix ? after : prefix)
    for (; found.length < limit && this.#names[at]?.startsWith(prefix) === true; at++) {
      const name = this.#names[at]!
      if (this.has(name) && name !== after) found.push([name, this.get(name)!])
    }
    return found
  }

  #sort(): void {
    const isMostlyDeleted = this.#names.length > 2 * this.size + FEW
    if (this.#added.length > FEW || isMostlyDeleted) this.#names = [...this.keys()].sort()
    else
      for (const name of this.#added) {
        const at = this.#placeOf(name)
        if (this.#names[at] !== name) this.#names.splice(at, 0, name)
      }
    this.#added = []
  }

  /** Where the first name stands that is not before this one. */
  #placeOf(name: string): number {
    let [from, to] = [0, this.#names.length]
    while (from < to) {
      const middle = (from + to) >>> 1
      if (this.#names[middle]! < name) from = middle + 1
      else to = middle
    }
    return from
  }
}
