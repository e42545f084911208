import type { SignedStatement } from '../protocol/schema.js'
import { CryptoError } from './errors.js'
import { sha256Hex } from './hash.js'
import { sign, verify } from './keys.js'
import type { CryptoKey } from './web-crypto.js'

/** A device's private signing key, and the fingerprint of its public one. */
export interface Signer {
  readonly privateKey: CryptoKey
  readonly fingerprint: string
}

/** Sign a statement's text with the keys of one or two devices (docs/protocol.md, "Statements"). */
export async function signStatement(text: string, ...signers: readonly Signer[]): Promise<SignedStatement> {
  const signatures = await Promise.all(
    signers.map(async ({ privateKey, fingerprint }) => [fingerprint, await sign(privateKey, text)] as const)
  )
  return { text, signatures: Object.fromEntries(signatures) }
}

/** The hash of a statement in hex: `previous` of the next statement in its chain. */
export async function statementHash(text: string): Promise<string> {
  return sha256Hex(text)
}

/**
 * Verify all signatures of a statement. One bad signature makes the whole statement invalid.
 *
 * @param keys the public signing keys that may sign the statement, by fingerprint
 * @returns the fingerprints of the keys that signed it
 * @throws {CryptoError} `bad-signature` if there is no signature or more than two, or one does not verify or
 *   belongs to none of the keys
 */
export async function verifyStatement(
  { text, signatures }: SignedStatement,
  keys: ReadonlyMap<string, CryptoKey>
): Promise<Set<string>> {
  const entries = Object.entries(signatures)
  if (entries.length < 1 || entries.length > 2)
    throw new CryptoError('bad-signature', `A statement has one or two signatures, not ${entries.length}.`)
  for (const [fingerprint, signature] of entries) {
    const key = keys.get(fingerprint)
    if (key === undefined)
      throw new CryptoError('bad-signature', `The key ${fingerprint} may not sign this statement.`)
    if (!(await verify(key, text, signature)))
      throw new CryptoError('bad-signature', `The signature of ${fingerprint} does not verify.`)
  }
  return new Set(Object.keys(signatures))
}
