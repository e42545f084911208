import { decrypt, encrypt, IV_BYTES } from '../../crypto/aes-gcm.js'
import { generateKemKeys, kemKeys, type KemKeyPair } from '../../crypto/kem.js'
import { randomBytes } from '../../crypto/web-crypto.js'
import type { CryptoKey } from '../stores/store.js'

/**
 * A KEM key pair as it is stored. Platforms have no key objects for ML-KEM yet, so the seed lies encrypted
 * under an AES key, which in a browser can't be extracted.
 */
export type StoredKem = {
  /** The raw public key in base64. */
  publicKey: string
  fingerprint: string
  sealingKey: CryptoKey
  iv: Uint8Array
  sealedSeed: Uint8Array
}

const NO_DATA = new Uint8Array()

export async function generateStoredKem(extractable: boolean): Promise<StoredKem> {
  return toStoredKem(await generateKemKeys(), extractable)
}

export async function toStoredKem(
  { seed, publicKey, fingerprint }: KemKeyPair,
  extractable: boolean
): Promise<StoredKem> {
  const algorithm = { name: 'AES-GCM', length: 256 }
  const sealingKey = await crypto.subtle.generateKey(algorithm, extractable, ['encrypt', 'decrypt'])
  const iv = randomBytes(IV_BYTES)
  return { publicKey, fingerprint, sealingKey, iv, sealedSeed: await encrypt(sealingKey, iv, seed, NO_DATA) }
}

/** The secret: 64 bytes. */
export function openSeed({ sealingKey, iv, sealedSeed }: StoredKem): Promise<Uint8Array> {
  return decrypt(sealingKey, iv, sealedSeed, NO_DATA)
}

/** The same pair for another store. */
export async function resealKem(kem: StoredKem, extractable: boolean): Promise<StoredKem> {
  return toStoredKem(await kemKeys(await openSeed(kem)), extractable)
}
