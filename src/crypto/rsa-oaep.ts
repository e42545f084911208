import { CryptoError } from './errors.js'
import { unshared, type CryptoKey } from './web-crypto.js'

/** RSA-OAEP (RFC 8017) with SHA-256, MGF1 with SHA-256 and an empty label. */
export const RSA_OAEP = { name: 'RSA-OAEP', hash: 'SHA-256' }

/** @throws {CryptoError} `bad-key` if nothing can be encrypted for the public key */
export async function oaepEncrypt(publicKey: CryptoKey, plaintext: Uint8Array): Promise<Uint8Array> {
  try {
    return new Uint8Array(await crypto.subtle.encrypt('RSA-OAEP', publicKey, unshared(plaintext)))
  } catch (cause) {
    throw new CryptoError('bad-key', 'Nothing can be wrapped for this encryption key.', { cause })
  }
}

/** @throws {CryptoError} `bad-wrap` if it was encrypted for another key, or altered; nothing says which */
export async function oaepDecrypt(privateKey: CryptoKey, ciphertext: Uint8Array): Promise<Uint8Array> {
  try {
    return new Uint8Array(await crypto.subtle.decrypt('RSA-OAEP', privateKey, unshared(ciphertext)))
  } catch (cause) {
    throw new CryptoError('bad-wrap', 'What was wrapped does not open with this encryption key.', { cause })
  }
}
