import type { SignedStatement } from '../protocol/schema.js'
import { CryptoError } from './errors.js'
import { sha256Hex } from './hash.js'
import { sign, verify } from './keys.js'
import type { CryptoKey } from './web-crypto.js'

/** What signs: a device's private signing key and the fingerprint under which others know it. */
export interface Signer {
  readonly privateKey: CryptoKey
  readonly fingerprint: string
}

/** A statement's text with the signatures of one or two devices (protocol, "Statements"). */
export async function signStatement(text: string, ...signers: readonly Signer[]): Promise<SignedStatement> {
  const signatures = await Promise.all(
    signers.map(async ({ privateKey, fingerprint }) => [fingerprint, await sign(privateKey, text)] as const)
  )
  return { text, signatures: Object.fromEntries(signatures) }
}

/** The hash by which the next statement of a chain names this one. */
export async function statementHash(text: string): Promise<string> {
  return sha256Hex(text)
}

/**
 * Verify all signatures of a statement.
 *
 * @param keys public signing keys by fingerprint: those that may sign it, and no others
 * @returns the fingerprints of those who signed it
 * @throws {CryptoError} `bad-signature` if there are none, or more than two, or one is by another key or does not
 *   verify: a stray signature makes the statement invalid
 */
export async function verifyStatement(
  { text, signatures }: SignedStatement,
  keys: ReadonlyMap<string, CryptoKey>
): Promise<Set<string>> {
  const entries = Object.entries(signatures)
  if (entries.length < 1 || entries.length > 2)
    throw new CryptoError('bad-signature', `A statement bears one or two signatures, not ${entries.length}.`)
  for (const [fingerprint, signature] of entries) {
    const key = keys.get(fingerprint)
    if (key === undefined)
      throw new CryptoError('bad-signature', `${fingerprint} is not a key that may sign this statement.`)
    if (!(await verify(key, text, signature)))
      throw new CryptoError('bad-signature', `The signature of ${fingerprint} does not verify.`)
  }
  return new Set(Object.keys(signatures))
}
