import { CryptoError } from './errors.js'
import { unshared, type CryptoKey } from './web-crypto.js'

export const TAG_BYTES = 16
export const IV_BYTES = 12

/** An AES-256-GCM key. */
export async function importAesKey(key: Uint8Array): Promise<CryptoKey> {
  if (key.length !== 32) throw new CryptoError('bad-key', `An AES-256 key has 32 bytes, not ${key.length}.`)
  return crypto.subtle.importKey('raw', unshared(key), 'AES-GCM', false, ['encrypt', 'decrypt'])
}

/** AES-256-GCM with an IV of 12 bytes; the tag of 16 bytes is at the end of what comes back. */
export async function encrypt(
  key: CryptoKey,
  iv: Uint8Array,
  plaintext: Uint8Array,
  additionalData: Uint8Array
): Promise<Uint8Array> {
  const algorithm = { name: 'AES-GCM', iv: checkedIv(iv), additionalData, tagLength: TAG_BYTES * 8 }
  return new Uint8Array(await crypto.subtle.encrypt(algorithm, key, unshared(plaintext)))
}

/** @throws {CryptoError} `bad-tag` if any of key, IV, ciphertext and additional data is not what it was */
export async function decrypt(
  key: CryptoKey,
  iv: Uint8Array,
  ciphertext: Uint8Array,
  additionalData: Uint8Array
): Promise<Uint8Array> {
  const algorithm = { name: 'AES-GCM', iv: checkedIv(iv), additionalData, tagLength: TAG_BYTES * 8 }
  try {
    return new Uint8Array(await crypto.subtle.decrypt(algorithm, key, unshared(ciphertext)))
  } catch (cause) {
    throw new CryptoError('bad-tag', 'The ciphertext is not what was encrypted under this key.', { cause })
  }
}

function checkedIv(iv: Uint8Array): Uint8Array {
  if (iv.length !== IV_BYTES) throw new CryptoError('bad-encoding', `An IV has 12 bytes, not ${iv.length}.`)
  return iv
}
