import { uuidBytes } from '../../crypto/encoding.js'
import { entriesOf, entryAt, idOf, pageOf } from './seen-page.js'

type Pages = Map<number, Uint8Array>

/** The messages seen in one conversation. */
export class SeenIndex {
  readonly pages = new Map<string, Pages>()
  /** Sender and message id → where the message was seen. An id belongs to its sender. */
  readonly #ids = new Map<string, { counter: string; n: number }>()

  add(counter: string, number: number, page: Uint8Array): void {
    const pages = this.pages.get(counter) ?? new Map<number, Uint8Array>()
    this.pages.set(counter, pages.set(number, page))
    const sender = senderOf(counter)
    for (const [n, entry] of entriesOf(page, number))
      this.#ids.set(`${sender}/${idOf(entry)}`, { counter, n })
  }

  entry(counter: string, n: number): Uint8Array | null {
    return n < 1 ? null : entryAt(this.pages.get(counter)?.get(pageOf(n)), n)
  }

  /** The entry that was seen next above `n`, or next below it. */
  nearest(counter: string, n: number, step: 1 | -1): Uint8Array | null {
    const pages = this.pages.get(counter) ?? new Map<number, Uint8Array>()
    const own = pageOf(n)
    let next: number | undefined
    for (const number of pages.keys())
      if ((number - own) * step > 0 && (next === undefined || (next - number) * step > 0)) next = number
    for (const number of next === undefined ? [own] : [own, next]) {
      const entries = [...entriesOf(pages.get(number) ?? new Uint8Array(), number)]
      const found =
        step === 1 ? entries.find(([other]) => other > n) : entries.findLast(([other]) => other < n)
      if (found !== undefined) return found[1]
    }
    return null
  }

  /** The entry of the sender's message with this id, under any session key. */
  withId(signingKey: string, id: string): Uint8Array | null {
    const place = this.#ids.get(`${signingKey}/${idOf(uuidBytes(id))}`)
    return place === undefined ? null : this.entry(place.counter, place.n)
  }

  /** The largest counter that was seen; 0 if none was. */
  highest(counter: string): number {
    const pages = this.pages.get(counter)
    if (pages === undefined) return 0
    const last = Math.max(...pages.keys())
    return Math.max(0, ...[...entriesOf(pages.get(last)!, last)].map(([n]) => n))
  }
}

function senderOf(counter: string): string {
  return counter.slice(counter.lastIndexOf('/') + 1)
}
