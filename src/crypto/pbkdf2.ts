import { encodeUtf8 } from './encoding.js'
import { unshared } from './web-crypto.js'

/** Fewer iterations protect too little. More would let a forged backup keep a device busy. */
export const MIN_ITERATIONS = 600_000
export const MAX_ITERATIONS = 10_000_000

/**
 * Derive 32 bytes with PBKDF2-HMAC-SHA-256 (RFC 8018). The passphrase is normalised to NFC first, since
 * keyboards encode the same characters in different ways.
 */
export async function pbkdf2(passphrase: string, salt: Uint8Array, iterations: number): Promise<Uint8Array> {
  const password = encodeUtf8(passphrase.normalize('NFC'))
  const key = await crypto.subtle.importKey('raw', unshared(password), 'PBKDF2', false, ['deriveBits'])
  const algorithm = { name: 'PBKDF2', hash: 'SHA-256', salt, iterations }
  return new Uint8Array(await crypto.subtle.deriveBits(algorithm, key, 256))
}
