import { createHash, createPublicKey, publicEncrypt, verify, type KeyObject } from 'node:crypto'
import { isKemPublicKey } from '../../protocol/kem.js'
import { Problem } from '../http/problem.js'
import { RuleViolation } from '../../protocol/rule-violation.js'
import type { SignedStatement } from '../../protocol/schema.js'
import { isAcceptablePoint, isAcceptableSignature } from '../../protocol/ed25519.js'

/** A public key in canonical SPKI PEM, with its fingerprint: the hex SHA-256 of its SPKI DER. */
export interface PublicKey {
  pem: string
  fingerprint: string
  key: KeyObject
}

/** A raw ML-KEM-768 public key, with its fingerprint: the hex SHA-256 of its bytes. */
export interface KemKey {
  bytes: Buffer
  fingerprint: string
}

export function sha256Hex(data: string | Buffer): string {
  return createHash('sha256').update(data).digest('hex')
}

function readSpki(pem: string, name: string): PublicKey {
  let key: KeyObject
  try {
    // Node.js would also accept a private key here, and silently derive the public one.
    if (!pem.startsWith('-----BEGIN PUBLIC KEY-----')) throw new Error('not SPKI')
    key = createPublicKey(pem)
  } catch {
    throw new Problem('invalid-key', `\`${name}\` is not an SPKI PEM, as \`openssl pkey -pubout\` prints it.`)
  }
  const canonical = key.export({ type: 'spki', format: 'pem' }).toString()
  if (canonical.trim() !== pem.replaceAll('\r\n', '\n').trim())
    throw new Problem('invalid-key', `\`${name}\` holds more than one canonical SPKI PEM.`)
  return { pem: canonical, fingerprint: sha256Hex(key.export({ type: 'spki', format: 'der' })), key }
}

/** @throws {Problem} `invalid-key` unless it is an Ed25519 public key */
export function readSigningKey(pem: string): PublicKey {
  const key = readSpki(pem, 'signingKey')
  if (key.key.asymmetricKeyType !== 'ed25519')
    throw new Problem('invalid-key', '`signingKey` must be an Ed25519 key.')
  // Clients with Web Crypto refuse such keys, and could not verify the chain.
  if (!isAcceptablePoint(key.key.export({ type: 'spki', format: 'der' }).subarray(-32)))
    throw new Problem('invalid-key', '`signingKey` is of small order, or not in its canonical encoding.')
  return key
}

/** @throws {Problem} `invalid-key` unless it is an RSA key of an accepted size with e = 65537 */
export function readEncryptionKey(pem: string, smallestBits: number): PublicKey {
  const key = readSpki(pem, 'encryptionKey')
  const { modulusLength, publicExponent } = key.key.asymmetricKeyDetails ?? {}
  if (key.key.asymmetricKeyType !== 'rsa')
    throw new Problem('invalid-key', '`encryptionKey` must be an RSA key.')
  const sizes = [2048, 3072, 4096].filter((size) => size >= smallestBits)
  if (modulusLength === undefined || !sizes.includes(modulusLength))
    throw new Problem(
      'invalid-key',
      `\`encryptionKey\` must have ${sizes.join(', ')} bits, not ${modulusLength}.`
    )
  if (publicExponent !== 65537n)
    throw new Problem('invalid-key', `\`encryptionKey\` must have the exponent 65537, not ${publicExponent}.`)
  try {
    // A key that nobody can wrap for, for example with an even modulus, would block new session keys.
    publicEncrypt({ key: key.key, oaepHash: 'sha256' }, Buffer.alloc(32))
  } catch {
    throw new Problem(
      'invalid-key',
      '`encryptionKey` is not a usable RSA key: nothing can be encrypted with it.'
    )
  }
  return key
}

/** Whether an Ed25519 signature is valid (docs/protocol.md, "Signatures"). */
export function isValidSignature(key: KeyObject, data: Uint8Array, signature: Uint8Array): boolean {
  return isAcceptableSignature(signature) && verify(null, data, key, signature)
}

/** @throws {Problem} `invalid-key` unless it is an ML-KEM-768 public key (FIPS 203, section 7.2) */
export function readKemKey(base64: string): KemKey {
  const bytes = Buffer.from(base64, 'base64')
  if (!isKemPublicKey(bytes))
    throw new Problem(
      'invalid-key',
      '`kemKey` must be a raw ML-KEM-768 public key: 1,184 bytes whose coefficients are below 3,329.'
    )
  return { bytes, fingerprint: sha256Hex(bytes) }
}

/**
 * Verify all signatures of a statement with the keys that may sign it.
 *
 * @returns the fingerprints of the signers
 * @throws {RuleViolation} `invalid-signature` if one is by an unknown key or does not verify
 */
export function verifySignatures(
  statement: SignedStatement,
  keys: ReadonlyMap<string, KeyObject>
): Set<string> {
  const text = Buffer.from(statement.text)
  for (const [fingerprint, signature] of Object.entries(statement.signatures)) {
    const key = keys.get(fingerprint)
    if (key === undefined)
      throw new RuleViolation(
        'invalid-signature',
        `${fingerprint} is not a key that may sign this statement.`
      )
    const bytes = Buffer.from(signature, 'base64')
    if (!isValidSignature(key, text, bytes))
      throw new RuleViolation(
        'invalid-signature',
        `The signature of ${fingerprint} does not verify over \`text\`.`
      )
  }
  return new Set(Object.keys(statement.signatures))
}
