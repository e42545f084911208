import { CryptoError } from './errors.js'
import { unshared, type CryptoKey } from './web-crypto.js'

/** RSA-OAEP (RFC 8017) with SHA-256, MGF1 with SHA-256 and an empty label. */
export const RSA_OAEP = { name: 'RSA-OAEP', hash: 'SHA-256' }

/** @throws {CryptoError} `bad-key` if the platform cannot encrypt with the public key */
export async function oaepEncrypt(publicKey: CryptoKey, plaintext: Uint8Array): Promise<Uint8Array> {
  try {
    return new Uint8Array(await crypto.subtle.encrypt('RSA-OAEP', publicKey, unshared(plaintext)))
  } catch (cause) {
    throw new CryptoError('bad-key', 'This encryption key cannot be used to wrap a key.', { cause })
  }
}

/**
 * @throws {CryptoError} `bad-wrap` if the ciphertext is for another key or was altered: OAEP does not say
 *   which
 */
export async function oaepDecrypt(privateKey: CryptoKey, ciphertext: Uint8Array): Promise<Uint8Array> {
  try {
    return new Uint8Array(await crypto.subtle.decrypt('RSA-OAEP', privateKey, unshared(ciphertext)))
  } catch (cause) {
    throw new CryptoError('bad-wrap', 'The wrapped key does not decrypt with this encryption key.', { cause })
  }
}
