import { concat, encodeUtf8 } from './encoding.js'
import { unshared } from './web-crypto.js'

/** Makes each guess of somebody who searches for an equal number more expensive. */
const ITERATIONS = 5200
const GROUPS = 12

/**
 * A number that stands for a text, for people to compare: 12 groups of 5 digits, separated by spaces
 * (docs/protocol.md, "Safety number"). Takes some tenths of a second.
 */
export async function comparedNumber(text: string): Promise<string> {
  const bytes = encodeUtf8(text)
  let digest: Uint8Array = new Uint8Array()
  for (let i = 0; i < ITERATIONS; i++)
    digest = new Uint8Array(await crypto.subtle.digest('SHA-512', unshared(concat(digest, bytes))))
  const groups = Array.from({ length: GROUPS }, (_, at) => digits(digest.subarray(at * 5, at * 5 + 5)))
  return groups.join(' ')
}

/** Five digits from five bytes, big-endian. */
function digits(bytes: Uint8Array): string {
  const value = bytes.reduce((sum, byte) => sum * 256 + byte, 0)
  return String(value % 100_000).padStart(5, '0')
}
