import { CryptoError } from './errors.js'
import { unshared, type CryptoKey } from './web-crypto.js'

export const TAG_BYTES = 16
export const IV_BYTES = 12

/**
 * Import an AES-256-GCM key.
 *
 * @param key 32 bytes
 * @throws {CryptoError} `bad-key` if it has another length
 */
export async function importAesKey(key: Uint8Array): Promise<CryptoKey> {
  if (key.length !== 32) throw new CryptoError('bad-key', `An AES-256 key has 32 bytes, not ${key.length}.`)
  return crypto.subtle.importKey('raw', unshared(key), 'AES-GCM', false, ['encrypt', 'decrypt'])
}

/**
 * Encrypt with AES-256-GCM (NIST SP 800-38D).
 *
 * @param iv 12 bytes, never used before with this key
 * @returns the ciphertext, followed by the 16-byte tag
 * @throws {CryptoError} `bad-encoding` if the IV has another length
 */
export async function encrypt(
  key: CryptoKey,
  iv: Uint8Array,
  plaintext: Uint8Array,
  additionalData: Uint8Array
): Promise<Uint8Array> {
  const algorithm = { name: 'AES-GCM', iv: requireIv(iv), additionalData, tagLength: TAG_BYTES * 8 }
  return new Uint8Array(await crypto.subtle.encrypt(algorithm, key, unshared(plaintext)))
}

/**
 * Decrypt what `encrypt` returned.
 *
 * @throws {CryptoError} `bad-tag` if key, IV, ciphertext or additional data differ from those of the
 *   encryption; `bad-encoding` if the IV does not have 12 bytes
 */
export async function decrypt(
  key: CryptoKey,
  iv: Uint8Array,
  ciphertext: Uint8Array,
  additionalData: Uint8Array
): Promise<Uint8Array> {
  const algorithm = { name: 'AES-GCM', iv: requireIv(iv), additionalData, tagLength: TAG_BYTES * 8 }
  try {
    return new Uint8Array(await crypto.subtle.decrypt(algorithm, key, unshared(ciphertext)))
  } catch (cause) {
    throw new CryptoError(
      'bad-tag',
      'The ciphertext does not decrypt: the key is another one, or something was altered.',
      { cause }
    )
  }
}

function requireIv(iv: Uint8Array): Uint8Array {
  if (iv.length !== IV_BYTES) throw new CryptoError('bad-encoding', `An IV has 12 bytes, not ${iv.length}.`)
  return iv
}
