import { isSmallOrder } from '../protocol/small-order.js'
import { decodeBase64, decodeHex, encodeBase64, encodeUtf8, equalBytes } from './encoding.js'
import { CryptoError } from './errors.js'
import { sha256Hex } from './hash.js'
import { decodePem, encodePem } from './pem.js'
import { RSA_OAEP } from './rsa-oaep.js'
import { unshared, type CryptoKey } from './web-crypto.js'

/** A key pair of a device's (protocol, "Encoding"). */
export interface KeyPair {
  readonly privateKey: CryptoKey
  /** SPKI PEM. */
  readonly publicKey: string
  /** Hex SHA-256 of the public key's SPKI DER. */
  readonly fingerprint: string
}

export const RSA_BITS = [2048, 3072, 4096] as const
export type RsaBits = (typeof RSA_BITS)[number]

const PUBLIC_EXPONENT = Uint8Array.of(1, 0, 1)
/** What comes before the 32 bytes of an Ed25519 key in its SPKI (RFC 8410, section 4). */
const ED25519_SPKI = decodeHex('302a300506032b6570032100')

/** A new signing pair, Ed25519. One that is not extractable can be used and stored, but never read. */
export async function generateSigningKeys({ extractable }: { extractable: boolean }): Promise<KeyPair> {
  const pair = await crypto.subtle.generateKey('Ed25519', extractable, ['sign', 'verify'])
  if (!('privateKey' in pair)) throw new TypeError('Ed25519 keys come in pairs')
  return keyPair(pair.privateKey, pair.publicKey)
}

/** A new encryption pair, RSA with e = 65537; takes a second or so. */
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

/** @throws {CryptoError} `bad-key` unless the text is one canonical SPKI PEM */
export async function fingerprint(pem: string): Promise<string> {
  return sha256Hex(decodePem(pem))
}

/**
 * A public signing key, to verify with.
 *
 * @throws {CryptoError} `bad-key` unless it is an Ed25519 key, and not of small order
 */
export async function importSigningKey(pem: string): Promise<CryptoKey> {
  const der = decodePem(pem)
  const point = der.subarray(ED25519_SPKI.length)
  if (point.length !== 32 || !equalBytes(der.subarray(0, ED25519_SPKI.length), ED25519_SPKI))
    throw new CryptoError('bad-key', 'The signing key is not an Ed25519 key.')
  if (isSmallOrder(point))
    throw new CryptoError('bad-key', 'The signing key is a point of small order, which proves nothing.')
  try {
    return await crypto.subtle.importKey('spki', unshared(der), 'Ed25519', true, ['verify'])
  } catch (cause) {
    throw new CryptoError('bad-key', 'The signing key is no point of Ed25519.', { cause })
  }
}

/**
 * A public encryption key, to wrap for.
 *
 * @throws {CryptoError} `bad-key` unless it is an RSA key of 2048, 3072 or 4096 bits with e = 65537
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

/** The PKCS #8 of an extractable private key in base64: a secret, to be stored or backed up. */
export async function exportPrivateKey(key: CryptoKey): Promise<string> {
  return encodeBase64(new Uint8Array(await crypto.subtle.exportKey('pkcs8', key)))
}

/** @throws {CryptoError} `bad-key` or `bad-encoding` unless it is what `exportPrivateKey` made of a signing key */
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

/** @throws {CryptoError} `bad-key` or `bad-encoding` unless it is what `exportPrivateKey` made of an encryption key */
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

/** The Ed25519 signature of bytes, or of a text's UTF-8, in base64. */
export async function sign(privateKey: CryptoKey, data: Uint8Array | string): Promise<string> {
  const signature = await crypto.subtle.sign('Ed25519', privateKey, bytesOf(data))
  return encodeBase64(new Uint8Array(signature))
}

/**
 * Whether a signature is by the key over exactly this (RFC 8032, section 5.1.7). One whose first half, R, is of small
 * order does not count: some platforms refuse it, some do not, and all have to agree.
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
  if (bytes.length !== 64 || isSmallOrder(bytes.subarray(0, 32))) return false
  return crypto.subtle.verify('Ed25519', publicKey, unshared(bytes), bytesOf(data))
}

function bytesOf(data: Uint8Array | string): Uint8Array<ArrayBuffer> {
  return unshared(typeof data === 'string' ? encodeUtf8(data) : data)
}
