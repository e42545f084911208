import { equalBytes } from './encoding.js'
import { publicKeyOf, type Kem } from './kem-noble.js'
import { randomBytes, type CryptoKey } from './web-crypto.js'

/**
 * The part of Web Crypto that few platforms have yet (https://wicg.github.io/webcrypto-modern-algos). No
 * types describe it.
 */
interface KemSubtle {
  importKey(
    format: 'raw-public' | 'raw-seed',
    key: Uint8Array,
    algorithm: string,
    extractable: boolean,
    usages: ('encapsulateBits' | 'decapsulateBits')[]
  ): Promise<CryptoKey>
  encapsulateBits(
    algorithm: string,
    key: CryptoKey
  ): Promise<{ ciphertext: ArrayBuffer; sharedKey: ArrayBuffer }>
  decapsulateBits(algorithm: string, key: CryptoKey, ciphertext: Uint8Array): Promise<ArrayBuffer>
}

const NAME = 'ML-KEM-768'
const subtle = () => crypto.subtle as unknown as KemSubtle

const webCryptoKem: Kem = {
  async encapsulate(publicKey) {
    const key = await subtle().importKey('raw-public', publicKey, NAME, false, ['encapsulateBits'])
    const { ciphertext, sharedKey } = await subtle().encapsulateBits(NAME, key)
    return { ciphertext: new Uint8Array(ciphertext), sharedSecret: new Uint8Array(sharedKey) }
  },
  async decapsulate(seed, ciphertext) {
    const key = await subtle().importKey('raw-seed', seed, NAME, false, ['decapsulateBits'])
    return new Uint8Array(await subtle().decapsulateBits(NAME, key, ciphertext))
  }
}

let found: Promise<Kem | undefined> | undefined

/** The platform's own ML-KEM-768; undefined if it has none. Looks once. */
export function nativeKem(): Promise<Kem | undefined> {
  return (found ??= works().then((yes) => (yes ? webCryptoKem : undefined)))
}

/** Names and formats are still a draft, so only a round trip shows that they are the ones used here. */
async function works(): Promise<boolean> {
  if (typeof subtle().encapsulateBits !== 'function') return false
  try {
    const seed = randomBytes(64)
    const { ciphertext, sharedSecret } = await webCryptoKem.encapsulate(publicKeyOf(seed))
    return equalBytes(await webCryptoKem.decapsulate(seed, ciphertext), sharedSecret)
  } catch {
    return false
  }
}
