import { concat, equalBytes, decodeHex, uuidBytes } from '../../crypto/encoding.js'

/** Identifies a message that was seen. */
export interface SeenEntry {
  n: number
  id: string
  digest: string
  position: number
  /** Its sender had gone already when it was read for the first time. */
  departed: boolean
  /** It gives its number up: it may stand behind those that were sent later. */
  isVoid?: boolean
}

/** Messages on a page. */
export const PAGE_SIZE = 64
const ID_BYTES = 16
const DIGEST_BYTES = 16
/** The first bit says whether the message is departed, the second one whether it gives its number up. */
const POSITION_BYTES = 7
const DEPARTED = 1n << BigInt(POSITION_BYTES * 8 - 1)
const VOID = DEPARTED >> 1n
const ENTRY_BYTES = ID_BYTES + DIGEST_BYTES + POSITION_BYTES

/** The bytes of an entry: the id, the first 128 bits of the digest, the position. */
export function toEntry({ id, digest, position, departed, isVoid = false }: SeenEntry): Uint8Array {
  const place = new DataView(new ArrayBuffer(8))
  place.setBigUint64(0, BigInt(position) | (departed ? DEPARTED : 0n) | (isVoid ? VOID : 0n))
  const digestBytes = decodeHex(digest.slice(0, DIGEST_BYTES * 2))
  return concat(uuidBytes(id), digestBytes, new Uint8Array(place.buffer, 8 - POSITION_BYTES))
}

export function pageOf(n: number): number {
  return Math.floor((n - 1) / PAGE_SIZE)
}

/** The entry of the message `n` in its page; null if none was seen. */
export function entryAt(page: Uint8Array | undefined, n: number): Uint8Array | null {
  if (page === undefined) return null
  const entry = page.subarray(((n - 1) % PAGE_SIZE) * ENTRY_BYTES, (((n - 1) % PAGE_SIZE) + 1) * ENTRY_BYTES)
  return entry.some((byte) => byte !== 0) ? entry : null
}

/** The page with one more entry. */
export function withEntry(page: Uint8Array | undefined, n: number, entry: Uint8Array): Uint8Array {
  const at = ((n - 1) % PAGE_SIZE) * ENTRY_BYTES
  const grown = new Uint8Array(Math.max(page?.length ?? 0, at + ENTRY_BYTES))
  if (page !== undefined) grown.set(page)
  grown.set(entry, at)
  return grown
}

/** The page without an entry that it has. */
export function withoutEntry(page: Uint8Array, n: number): Uint8Array {
  return withEntry(page, n, new Uint8Array(ENTRY_BYTES))
}

export function sameMessage(a: Uint8Array, b: Uint8Array): boolean {
  return equalBytes(a.subarray(0, ID_BYTES + DIGEST_BYTES), b.subarray(0, ID_BYTES + DIGEST_BYTES))
}

export function positionOf(entry: Uint8Array): number {
  return Number(placeOf(entry) & (VOID - 1n))
}

export function isDeparted(entry: Uint8Array): boolean {
  return (placeOf(entry) & DEPARTED) !== 0n
}

export function isVoid(entry: Uint8Array): boolean {
  return (placeOf(entry) & VOID) !== 0n
}

function placeOf(entry: Uint8Array): bigint {
  const place = new Uint8Array(8)
  place.set(entry.subarray(ID_BYTES + DIGEST_BYTES), 8 - POSITION_BYTES)
  return new DataView(place.buffer).getBigUint64(0)
}

/** The entries of a page, with the `n` of each. Pages are numbered from 0. */
export function* entriesOf(page: Uint8Array, pageNumber: number): Generator<[n: number, entry: Uint8Array]> {
  for (let at = 0; at < page.length / ENTRY_BYTES; at++) {
    const n = pageNumber * PAGE_SIZE + at + 1
    const entry = entryAt(page, n)
    if (entry !== null) yield [n, entry]
  }
}

/** The id of an entry. */
export function idBytes(entry: Uint8Array): Uint8Array {
  return entry.subarray(0, ID_BYTES)
}

/** Add numbers to ranges of them, which are in order. */
export function extend(ranges: { first: number; last: number }[], first: number, last: number): void {
  const before = ranges.at(-1)
  if (before !== undefined && before.last === first - 1) before.last = last
  else ranges.push({ first, last })
}
