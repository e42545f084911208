import { encodeUtf8 } from './encoding.js'
import { unshared } from './web-crypto.js'

/** Bounds on PBKDF2's work: fewer iterations protect too little, and more are an attempt to keep somebody busy. */
export const MIN_ITERATIONS = 600_000
export const MAX_ITERATIONS = 10_000_000

/**
 * 32 bytes of PBKDF2-HMAC-SHA-256 (RFC 8018) from a text's UTF-8. The text is brought into Unicode's form C first,
 * so that the same passphrase from another keyboard is the same.
 */
export async function pbkdf2(passphrase: string, salt: Uint8Array, iterations: number): Promise<Uint8Array> {
  const password = encodeUtf8(passphrase.normalize('NFC'))
  const key = await crypto.subtle.importKey('raw', unshared(password), 'PBKDF2', false, ['deriveBits'])
  const algorithm = { name: 'PBKDF2', hash: 'SHA-256', salt, iterations }
  return new Uint8Array(await crypto.subtle.deriveBits(algorithm, key, 256))
}
