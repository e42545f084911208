import { isKemPublicKey, KEM_CIPHERTEXT_BYTES } from '../protocol/kem.js'
import { decodeBase64, encodeBase64 } from './encoding.js'
import { CryptoError } from './errors.js'
import { sha256Hex } from './hash.js'
import { nativeKem } from './kem-native.js'
import { nobleKem, publicKeyOf, type Encapsulation } from './kem-noble.js'
import { randomBytes, type Random } from './web-crypto.js'

/** The ML-KEM-768 key pair of a device (FIPS 203; docs/protocol.md, "Encoding"). */
export interface KemKeyPair {
  /** The secret: 64 bytes, d ‖ z. */
  readonly seed: Uint8Array
  /** The raw public key in base64, as on the wire. */
  readonly publicKey: string
  /** Hex SHA-256 of the raw public key. */
  readonly fingerprint: string
}

const SEED_BYTES = 64

export async function generateKemKeys(random: Random = randomBytes): Promise<KemKeyPair> {
  return kemKeys(random(SEED_BYTES))
}

/**
 * The key pair of a stored seed.
 *
 * @throws {CryptoError} `bad-key` if the seed does not have 64 bytes
 */
export async function kemKeys(seed: Uint8Array): Promise<KemKeyPair> {
  requireSeed(seed)
  const publicKey = publicKeyOf(seed)
  return { seed, publicKey: encodeBase64(publicKey), fingerprint: await kemFingerprint(publicKey) }
}

/**
 * The raw public key of base64.
 *
 * @throws {CryptoError} `bad-key` if it is not an ML-KEM-768 public key; `bad-encoding` if it is not base64
 */
export function decodeKemKey(base64: string): Uint8Array {
  const publicKey = decodeBase64(base64)
  requireKemKey(publicKey)
  return publicKey
}

/** The fingerprint of a raw public key: its hex SHA-256. */
export async function kemFingerprint(publicKey: Uint8Array): Promise<string> {
  return sha256Hex(publicKey)
}

/**
 * Make a shared secret for the owner of a raw public key.
 *
 * @throws {CryptoError} `bad-key` if it is not an ML-KEM-768 public key
 */
export async function encapsulate(publicKey: Uint8Array): Promise<Encapsulation> {
  requireKemKey(publicKey)
  return ((await nativeKem()) ?? nobleKem).encapsulate(publicKey)
}

/**
 * The shared secret of a ciphertext. A ciphertext for another key, or an altered one, gives another secret
 * (implicit rejection), never an error.
 *
 * @throws {CryptoError} `bad-key` if the seed does not have 64 bytes, `bad-wrap` if the ciphertext does not
 *   have 1,088
 */
export async function decapsulate(seed: Uint8Array, ciphertext: Uint8Array): Promise<Uint8Array> {
  requireSeed(seed)
  if (ciphertext.length !== KEM_CIPHERTEXT_BYTES)
    throw new CryptoError('bad-wrap', `An ML-KEM-768 ciphertext has 1,088 bytes, not ${ciphertext.length}.`)
  return ((await nativeKem()) ?? nobleKem).decapsulate(seed, ciphertext)
}

function requireSeed(seed: Uint8Array): void {
  if (seed.length !== SEED_BYTES)
    throw new CryptoError('bad-key', `The seed of an ML-KEM-768 key has 64 bytes, not ${seed.length}.`)
}

function requireKemKey(publicKey: Uint8Array): void {
  if (!isKemPublicKey(publicKey))
    throw new CryptoError('bad-key', 'The KEM key is not a valid public key of ML-KEM-768.')
}
