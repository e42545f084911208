const none: readonly never[] = []

/**
 * Several values under one key, where there are thousands of keys and mostly one value: arrays of just the right
 * length take a quarter of the memory of Sets. They are replaced and never changed, so whoever walks through one is
 * not disturbed.
 */
export class MultiMap<K, V> {
  readonly #map = new Map<K, readonly V[]>()

  get(key: K): readonly V[] {
    return this.#map.get(key) ?? none
  }

  keys(): Iterable<K> {
    return this.#map.keys()
  }

  values(): Iterable<readonly V[]> {
    return this.#map.values()
  }

  /** Add a value that is not there yet. @returns how many there are under the key now */
  add(key: K, value: V): number {
    const values = this.#map.get(key)
    this.#map.set(key, values === undefined ? [value] : values.concat(value))
    return (values?.length ?? 0) + 1
  }

  /** @returns how many are left under the key; null if the value was not there */
  delete(key: K, value: V): number | null {
    const values = this.#map.get(key)
    if (values === undefined || !values.includes(value)) return null
    if (values.length === 1) this.#map.delete(key)
    else
      this.#map.set(
        key,
        values.filter((other) => other !== value)
      )
    return values.length - 1
  }
}
