import { SHA256_HEX } from '../protocol/ids.js'
import { PROTOCOL } from '../protocol/statements.js'
import { comparedNumber } from './compared-number.js'
import { CryptoError } from './errors.js'

const root = new RegExp(`^${SHA256_HEX}$`)

/**
 * The number that two people compare to verify each other's roots: 12 groups of 5 digits, separated by
 * spaces. The order of the roots does not matter (docs/protocol.md, "Safety number"). Takes some hundredths of
 * a second.
 *
 * @throws {CryptoError} `bad-encoding` if a root is not a fingerprint
 */
export async function safetyNumber(rootA: string, rootB: string): Promise<string> {
  if (!root.test(rootA) || !root.test(rootB))
    throw new CryptoError('bad-encoding', 'A root is a fingerprint: 64 lower-case hex digits.')
  const [first, second] = [rootA, rootB].sort()
  return comparedNumber(`${PROTOCOL} safety-number\nroot ${first}\nroot ${second}\n`)
}
