import { encodeHex, encodeUtf8 } from './encoding.js'
import { unshared, type CryptoKey } from './web-crypto.js'

export async function sha256(data: Uint8Array): Promise<Uint8Array> {
  return new Uint8Array(await crypto.subtle.digest('SHA-256', unshared(data)))
}

/** Lower-case hex SHA-256 of bytes, or of the UTF-8 of a text: the form of all hashes in the protocol. */
export async function sha256Hex(data: Uint8Array | string): Promise<string> {
  return encodeHex(await sha256(typeof data === 'string' ? encodeUtf8(data) : data))
}

/** Import input key material for `hkdf`. */
export async function importHkdfKey(ikm: Uint8Array): Promise<CryptoKey> {
  return crypto.subtle.importKey('raw', unshared(ikm), 'HKDF', false, ['deriveBits'])
}

/**
 * HKDF with SHA-256 (RFC 5869).
 *
 * @param length bytes to derive, at most 255 × 32
 */
export async function hkdf(
  key: CryptoKey,
  salt: Uint8Array,
  info: Uint8Array,
  length = 32
): Promise<Uint8Array> {
  const algorithm = { name: 'HKDF', hash: 'SHA-256', salt, info }
  return new Uint8Array(await crypto.subtle.deriveBits(algorithm, key, length * 8))
}
