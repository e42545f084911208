import { sha512 } from '@noble/hashes/sha2.js'
import { asyncLoop } from '@noble/hashes/utils.js'
import { encodeUtf8 } from './encoding.js'

/** Makes each guess of somebody who searches for an equal number more expensive. */
const ITERATIONS = 5200
const GROUPS = 12
/** Other work has its turn as often, in milliseconds. */
const TURN_MS = 10

/**
 * A number that stands for a text, for people to compare: 12 groups of 5 digits, separated by spaces
 * (docs/protocol.md, "Safety number"). Takes some hundredths of a second. Web Crypto would take
 * ten times as long, for it hands each of these short inputs to another thread.
 */
export async function comparedNumber(text: string): Promise<string> {
  const bytes = encodeUtf8(text)
  let digest: Uint8Array = new Uint8Array()
  await asyncLoop(ITERATIONS, TURN_MS, () => {
    digest = sha512.create().update(digest).update(bytes).digest()
  })
  const groups = Array.from({ length: GROUPS }, (_, at) => digits(digest.subarray(at * 5, at * 5 + 5)))
  return groups.join(' ')
}

/** Five digits from five bytes, big-endian. */
function digits(bytes: Uint8Array): string {
  const value = bytes.reduce((sum, byte) => sum * 256 + byte, 0)
  return String(value % 100_000).padStart(5, '0')
}
