import { SHA256_HEX } from '../protocol/ids.js'
import { concat, encodeUtf8 } from './encoding.js'
import { CryptoError } from './errors.js'
import { unshared } from './web-crypto.js'

const ITERATIONS = 5200
const GROUPS = 12
const root = new RegExp(`^${SHA256_HEX}$`)

/**
 * The number by which two people see that they have each other's true root: 12 groups of 5 digits, a space between
 * them, the same whichever root comes first (protocol, "Safety number"). Takes some tenths of a second.
 *
 * @throws {CryptoError} `bad-encoding` unless both are fingerprints
 */
export async function safetyNumber(rootA: string, rootB: string): Promise<string> {
  if (!root.test(rootA) || !root.test(rootB))
    throw new CryptoError('bad-encoding', 'A root is a fingerprint: 64 lower-case hex digits.')
  const [first, second] = [rootA, rootB].sort()
  const text = encodeUtf8(`secure-chat/v1 safety-number\nroot ${first}\nroot ${second}\n`)
  let digest: Uint8Array = new Uint8Array()
  for (let i = 0; i < ITERATIONS; i++)
    digest = new Uint8Array(await crypto.subtle.digest('SHA-512', unshared(concat(digest, text))))
  return Array.from({ length: GROUPS }, (_, group) => digits(digest.subarray(group * 5, group * 5 + 5))).join(
    ' '
  )
}

/** Five digits of five bytes, big-endian. */
function digits(bytes: Uint8Array): string {
  const value = bytes.reduce((sum, byte) => sum * 256 + byte, 0)
  return String(value % 100_000).padStart(5, '0')
}
