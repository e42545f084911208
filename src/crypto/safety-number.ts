import { SHA256_HEX } from '../protocol/ids.js'
import { concat, encodeUtf8 } from './encoding.js'
import { CryptoError } from './errors.js'
import { unshared } from './web-crypto.js'

const ITERATIONS = 5200
const GROUPS = 12
const root = new RegExp(`^${SHA256_HEX}$`)

/**
 * The number that two people compare to verify each other's roots: 12 groups of 5 digits, separated by
 * spaces. The order of the roots does not matter (docs/protocol.md, "Safety number"). Takes some tenths of a
 * second.
 *
 * @throws {CryptoError} `bad-encoding` if a root is not a fingerprint
 */
export async function safetyNumber(rootA: string, rootB: string): Promise<string> {
  if (!root.test(rootA) || !root.test(rootB))
    throw new CryptoError('bad-encoding', 'A root is a fingerprint: 64 lower-case hex digits.')
  const [first, second] = [rootA, rootB].sort()
  const text = encodeUtf8(`secure-chat/v1 safety-number\nroot ${first}\nroot ${second}\n`)
  let digest: Uint8Array = new Uint8Array()
  for (let i = 0; i < ITERATIONS; i++)
    digest = new Uint8Array(await crypto.subtle.digest('SHA-512', unshared(concat(digest, text))))
  const groups = Array.from({ length: GROUPS }, (_, at) => digits(digest.subarray(at * 5, at * 5 + 5)))
  return groups.join(' ')
}

/** Five digits from five bytes, big-endian. */
function digits(bytes: Uint8Array): string {
  const value = bytes.reduce((sum, byte) => sum * 256 + byte, 0)
  return String(value % 100_000).padStart(5, '0')
}
