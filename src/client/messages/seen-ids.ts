import { idBytes } from './seen-page.js'

/** Words of 16 bits in an id. */
const WORDS = 8
const SHARDS = 256
const FIRST_SLOTS = 4

/**
 * Where messages were seen, by their ids, in some 16 bytes a message. Senders choose the ids: they are hashed
 * with random multipliers, so that nobody can make all fall together. Growing is done in small parts.
 */
export class SeenIds {
  readonly #entryAt: (place: number) => Uint8Array | null
  readonly #multipliers = crypto.getRandomValues(new Uint32Array(2 * WORDS))
  /** Places with linear probing; 0 is free. */
  readonly #shards = Array.from({ length: SHARDS }, () => new Float64Array(FIRST_SLOTS))
  readonly #counts = new Uint32Array(SHARDS)

  /** @param entryAt the entry that was seen at a place */
  constructor(entryAt: (place: number) => Uint8Array | null) {
    this.#entryAt = entryAt
  }

  /** @param place above 0 */
  add(id: Uint8Array, place: number): void {
    const number = this.#hash(id, 0) % SHARDS
    let places = this.#shards[number]!
    if (2 * ++this.#counts[number]! > places.length) {
      const before = places
      places = this.#shards[number] = new Float64Array(2 * places.length)
      for (const known of before)
        if (known > 0) places[this.#freeSlot(places, idBytes(this.#entryAt(known)!))] = known
    }
    places[this.#freeSlot(places, id)] = place
  }

  /** The places of messages that may have this id. */
  *places(id: Uint8Array): Generator<number> {
    const places = this.#shards[this.#hash(id, 0) % SHARDS]!
    for (let at = this.#hash(id, WORDS); places[at % places.length]! > 0; at++)
      yield places[at % places.length]!
  }

  #freeSlot(places: Float64Array, id: Uint8Array): number {
    let at = this.#hash(id, WORDS)
    while (places[at % places.length]! > 0) at++
    return at % places.length
  }

  /** @param from the first of the multipliers @returns 16 bits */
  #hash(id: Uint8Array, from: number): number {
    let sum = 0
    for (let at = 0; at < WORDS; at++)
      sum = (sum + Math.imul((id[2 * at]! << 8) | id[2 * at + 1]!, this.#multipliers[from + at]!)) | 0
    return sum >>> 16
  }
}
