import { ml_kem768 } from '@noble/post-quantum/ml-kem.js'

/** A new shared secret of 32 bytes, and its ciphertext of 1,088 bytes for the owner of a public key. */
export interface Encapsulation {
  readonly ciphertext: Uint8Array
  readonly sharedSecret: Uint8Array
}

/** ML-KEM-768 (FIPS 203) on inputs of the right length. */
export interface Kem {
  readonly encapsulate: (publicKey: Uint8Array) => Promise<Encapsulation>
  readonly decapsulate: (seed: Uint8Array, ciphertext: Uint8Array) => Promise<Uint8Array>
}

/** The public key of a seed of 64 bytes. */
export function publicKeyOf(seed: Uint8Array): Uint8Array {
  return ml_kem768.keygen(seed).publicKey
}

/** For platforms without ML-KEM. */
export const nobleKem: Kem = {
  async encapsulate(publicKey) {
    const { cipherText, sharedSecret } = ml_kem768.encapsulate(publicKey)
    return { ciphertext: cipherText, sharedSecret }
  },
  async decapsulate(seed, ciphertext) {
    return ml_kem768.decapsulate(ciphertext, ml_kem768.keygen(seed).secretKey)
  }
}
