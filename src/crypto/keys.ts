import { isAcceptablePoint, isAcceptableSignature } from '../protocol/ed25519.js'
import { decodeBase64, decodeHex, encodeBase64, encodeUtf8, equalBytes } from './encoding.js'
import { CryptoError } from './errors.js'
import { sha256Hex } from './hash.js'
import { decodePem, encodePem } from './pem.js'
import { RSA_OAEP } from './rsa-oaep.js'
import { unshared, type CryptoKey } from './web-crypto.js'

/** A signing or encryption key pair of a device (docs/protocol.md, "Encoding"). */
export interface KeyPair {
  readonly privateKey: CryptoKey
  /** SPKI PEM, as `openssl pkey -pubout` prints it. */
  readonly publicKey: string
  /** Hex SHA-256 of the public key's SPKI DER. */
  readonly fingerprint: string
}

const RSA_BITS = [2048, 3072, 4096] as const
type RsaBits = (typeof RSA_BITS)[number]

const PUBLIC_EXPONENT = Uint8Array.of(1, 0, 1)
/** The SPKI of an Ed25519 key before its 32 bytes (RFC 8410, section 4). */
const ED25519_SPKI_PREFIX = decodeHex('302a300506032b6570032100')

/**
 * Generate an Ed25519 key pair.
 *
 * @param options a private key that is not `extractable` can be used and stored, but never exported
 */
export async function generateSigningKeys({ extractable }: { extractable: boolean }): Promise<KeyPair> {
  const pair = await crypto.subtle.generateKey('Ed25519', extractable, ['sign', 'verify'])
  if (!('privateKey' in pair)) throw new TypeError('Ed25519 keys come in pairs')
  return keyPair(pair.privateKey, pair.publicKey)
}

/**
 * Generate an RSA key pair with the exponent 65537. Takes about a second.
 *
 * @param options `bits` defaults to 3072
 */
export async function generateEncryptionKeys({
  bits = 3072,
  extractable
}: {
  bits?: RsaBits
  extractable: boolean
}): Promise<KeyPair> {
  const algorithm = { ...RSA_OAEP, modulusLength: bits, publicExponent: PUBLIC_EXPONENT }
  const pair = await crypto.subtle.generateKey(algorithm, extractable, ['encrypt', 'decrypt'])
  return keyPair(pair.privateKey, pair.publicKey)
}

async function keyPair(privateKey: CryptoKey, publicKey: CryptoKey): Promise<KeyPair> {
  const der = new Uint8Array(await crypto.subtle.exportKey('spki', publicKey))
  return { privateKey, publicKey: encodePem(der), fingerprint: await sha256Hex(der) }
}

/**
 * The fingerprint of a public key: hex SHA-256 of its SPKI DER.
 *
 * @throws {CryptoError} `bad-key` if the text is not one canonical SPKI PEM
 */
export async function fingerprint(pem: string): Promise<string> {
  return sha256Hex(decodePem(pem))
}

/**
 * Import a public signing key from SPKI PEM, to verify with.
 *
 * @throws {CryptoError} `bad-key` if it is not an Ed25519 key, of small order, or not in its canonical encoding
 */
export async function importSigningKey(pem: string): Promise<CryptoKey> {
  const der = decodePem(pem)
  const point = der.subarray(ED25519_SPKI_PREFIX.length)
  if (point.length !== 32 || !equalBytes(der.subarray(0, ED25519_SPKI_PREFIX.length), ED25519_SPKI_PREFIX))
    throw new CryptoError('bad-key', 'The signing key is not an Ed25519 key.')
  if (!isAcceptablePoint(point))
    throw new CryptoError('bad-key', 'The signing key is of small order, or not in its canonical encoding.')
  try {
    return await crypto.subtle.importKey('spki', unshared(der), 'Ed25519', true, ['verify'])
  } catch (cause) {
    throw new CryptoError('bad-key', 'The signing key is not a point of Ed25519.', { cause })
  }
}

/**
 * Import a public encryption key from SPKI PEM, to wrap session keys for.
 *
 * @throws {CryptoError} `bad-key` if it is not an RSA key of 2048, 3072 or 4096 bits with the exponent 65537
 */
export async function importEncryptionKey(pem: string): Promise<CryptoKey> {
  const der = decodePem(pem)
  try {
    const key = await crypto.subtle.importKey('spki', unshared(der), RSA_OAEP, true, ['encrypt'])
    requireValidRsa(key)
    if (!equalBytes(new Uint8Array(await crypto.subtle.exportKey('spki', key)), der))
      throw new CryptoError('bad-key', 'The encryption key is not in canonical DER.')
    return key
  } catch (cause) {
    if (cause instanceof CryptoError) throw cause
    throw new CryptoError('bad-key', 'The encryption key is not an RSA key.', { cause })
  }
}

/** Export an extractable private key as PKCS #8 DER in base64. The result is a secret. */
export async function exportPrivateKey(key: CryptoKey): Promise<string> {
  return encodeBase64(new Uint8Array(await crypto.subtle.exportKey('pkcs8', key)))
}

/**
 * Import a signing key that `exportPrivateKey` exported.
 *
 * @throws {CryptoError} `bad-key` if it is not an Ed25519 key; `bad-encoding` if it is not base64
 */
export async function importPrivateSigningKey(
  pkcs8: string,
  { extractable }: { extractable: boolean }
): Promise<CryptoKey> {
  const der = decodeBase64(pkcs8)
  try {
    return await crypto.subtle.importKey('pkcs8', unshared(der), 'Ed25519', extractable, ['sign'])
  } catch (cause) {
    throw new CryptoError('bad-key', 'The private key is not an Ed25519 key.', { cause })
  }
}

/**
 * Import an encryption key that `exportPrivateKey` exported.
 *
 * @throws {CryptoError} `bad-key` if it is not an RSA key of an accepted size; `bad-encoding` if it is not
 *   base64
 */
export async function importPrivateEncryptionKey(
  pkcs8: string,
  { extractable }: { extractable: boolean }
): Promise<CryptoKey> {
  const der = decodeBase64(pkcs8)
  try {
    const key = await crypto.subtle.importKey('pkcs8', unshared(der), RSA_OAEP, extractable, ['decrypt'])
    requireValidRsa(key)
    return key
  } catch (cause) {
    if (cause instanceof CryptoError) throw cause
    throw new CryptoError('bad-key', 'The private key is not an RSA key.', { cause })
  }
}

function requireValidRsa(key: CryptoKey): void {
  const { modulusLength, publicExponent } = key.algorithm as unknown as {
    modulusLength: number
    publicExponent: Uint8Array
  }
  if (!RSA_BITS.some((bits) => bits === modulusLength))
    throw new CryptoError('bad-key', `An RSA key has 2048, 3072 or 4096 bits, not ${modulusLength}.`)
  if (!equalBytes(publicExponent, PUBLIC_EXPONENT))
    throw new CryptoError('bad-key', 'The RSA exponent must be 65537.')
}

/** Sign bytes, or the UTF-8 of a text, with Ed25519 (RFC 8032). Returns the signature in base64. */
export async function sign(privateKey: CryptoKey, data: Uint8Array | string): Promise<string> {
  const signature = await crypto.subtle.sign('Ed25519', privateKey, bytesOf(data))
  return encodeBase64(new Uint8Array(signature))
}

/**
 * Verify an Ed25519 signature (RFC 8032, section 5.1.7, without the cofactor). The forms that platforms
 * disagree about are not valid: all clients must agree.
 *
 * @param signature base64; anything else counts as not valid
 */
export async function verify(
  publicKey: CryptoKey,
  data: Uint8Array | string,
  signature: string
): Promise<boolean> {
  let bytes: Uint8Array
  try {
    bytes = decodeBase64(signature)
  } catch {
    return false
  }
  if (!isAcceptableSignature(bytes)) return false
  return crypto.subtle.verify('Ed25519', publicKey, unshared(bytes), bytesOf(data))
}

function bytesOf(data: Uint8Array | string): Uint8Array<ArrayBuffer> {
  return unshared(typeof data === 'string' ? encodeUtf8(data) : data)
}
