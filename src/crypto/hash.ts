import { encodeHex, encodeUtf8 } from './encoding.js'
import { unshared, type CryptoKey } from './web-crypto.js'

export async function sha256(data: Uint8Array): Promise<Uint8Array> {
  return new Uint8Array(await crypto.subtle.digest('SHA-256', unshared(data)))
}

/** The lower-case hex SHA-256 of bytes, or of a text's UTF-8: the form of every hash of the protocol. */
export async function sha256Hex(data: Uint8Array | string): Promise<string> {
  return encodeHex(await sha256(typeof data === 'string' ? encodeUtf8(data) : data))
}

/** Makes input key material usable by `hkdf`. */
export async function importHkdfKey(ikm: Uint8Array): Promise<CryptoKey> {
  return crypto.subtle.importKey('raw', unshared(ikm), 'HKDF', false, ['deriveBits'])
}

/** `length` bytes of HKDF-SHA-256 (RFC 5869), 255 × 32 at most. */
export async function hkdf(
  key: CryptoKey,
  salt: Uint8Array,
  info: Uint8Array,
  length = 32
): Promise<Uint8Array> {
  const algorithm = { name: 'HKDF', hash: 'SHA-256', salt, info }
  return new Uint8Array(await crypto.subtle.deriveBits(algorithm, key, length * 8))
}
