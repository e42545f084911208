/** Bytes of a raw ML-KEM-768 public key. */
export const KEM_KEY_BYTES = 1184
/** The rest of the key is a seed. */
const COEFFICIENT_BYTES = 1152
const MODULUS = 3329

/**
 * Whether bytes are an ML-KEM-768 public key (FIPS 203, section 7.2): it has the right length, and all its
 * coefficients, 12 bits each, are reduced.
 */
export function isKemKey(bytes: Uint8Array): boolean {
  if (bytes.length !== KEM_KEY_BYTES) return false
  for (let at = 0; at < COEFFICIENT_BYTES; at += 3) {
    const pair = bytes[at]! | (bytes[at + 1]! << 8) | (bytes[at + 2]! << 16)
    if ((pair & 0xfff) >= MODULUS || pair >> 12 >= MODULUS) return false
  }
  return true
}
