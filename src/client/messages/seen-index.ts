import { equalBytes, uuidBytes } from '../../crypto/encoding.js'
import { SeenIds } from './seen-ids.js'
import { entriesOf, entryAt, idBytes, isVoid, pageOf } from './seen-page.js'

type Pages = Map<number, Uint8Array>

/** Above every counter of a message. */
const COUNTERS = 2 ** 21

/** The messages seen in one conversation. A member can send a million: no message has an object of its own. */
export class SeenIndex {
  readonly pages = new Map<string, Pages>()
  readonly #names: string[] = []
  readonly #numbers = new Map<string, number>()
  /** A place is the number of the counter's name, and the message's `n`. */
  readonly #ids = new SeenIds((place) => this.#at(place))

  add(counter: string, number: number, page: Uint8Array): void {
    let pages = this.pages.get(counter)
    if (pages === undefined) {
      this.pages.set(counter, (pages = new Map<number, Uint8Array>()))
      this.#numbers.set(counter, this.#names.push(counter) - 1)
    }
    const before = pages.get(number)
    pages.set(number, page)
    const places = this.#numbers.get(counter)! * COUNTERS
    for (const [n, entry] of entriesOf(page, number)) {
      const known = entryAt(before, n)
      if (known === null || !equalBytes(idBytes(known), idBytes(entry)))
        this.#ids.add(idBytes(entry), places + n)
    }
  }

  entry(counter: string, n: number): Uint8Array | null {
    return n < 1 ? null : entryAt(this.pages.get(counter)?.get(pageOf(n)), n)
  }

  /** The entry that was seen next above `n`, or next below it, on its page or the next one. Voids may stand anywhere. */
  nearest(counter: string, n: number, step: 1 | -1): Uint8Array | null {
    const pages = this.pages.get(counter) ?? new Map<number, Uint8Array>()
    const own = pageOf(n)
    let next: number | undefined
    for (const number of pages.keys())
      if ((number - own) * step > 0 && (next === undefined || (next - number) * step > 0)) next = number
    for (const number of next === undefined ? [own] : [own, next]) {
      const all = [...entriesOf(pages.get(number) ?? new Uint8Array(), number)]
      const entries = all.filter(([, entry]) => !isVoid(entry))
      const found =
        step === 1 ? entries.find(([other]) => other > n) : entries.findLast(([other]) => other < n)
      if (found !== undefined) return found[1]
    }
    return null
  }

  /** The entry of the sender's message with this id, under any session key. */
  withId(signingKey: string, id: string): Uint8Array | null {
    const wanted = uuidBytes(id)
    for (const place of this.#ids.places(wanted)) {
      const entry = this.#at(place)
      const isSender = senderOf(this.#names[Math.floor(place / COUNTERS)]!) === signingKey
      if (isSender && entry !== null && equalBytes(idBytes(entry), wanted)) return entry
    }
    return null
  }

  /** The largest counter that was seen; 0 if none was. */
  highest(counter: string): number {
    const pages = this.pages.get(counter)
    if (pages === undefined) return 0
    const last = Math.max(...pages.keys())
    return Math.max(0, ...[...entriesOf(pages.get(last)!, last)].map(([n]) => n))
  }

  #at(place: number): Uint8Array | null {
    return this.entry(this.#names[Math.floor(place / COUNTERS)]!, place % COUNTERS)
  }
}

function senderOf(counter: string): string {
  return counter.slice(counter.lastIndexOf('/') + 1)
}
