/** Sizes of ML-KEM-768 in bytes (FIPS 203, section 8). */
export const KEM_PUBLIC_KEY_BYTES = 1184
export const KEM_CIPHERTEXT_BYTES = 1088
/** An encrypted session key and its tag, the last part of a hybrid wrap. */
export const SEALED_KEY_BYTES = 48

/** Bytes of a public key that hold coefficients, two in three bytes. The rest is a seed. */
const COEFFICIENTS_BYTES = 1152
const MODULUS = 3329

/**
 * The checks of FIPS 203, section 7.2, on a raw ML-KEM-768 public key: its length, and that its coefficients
 * would encode to the same bytes.
 */
export function isKemPublicKey(bytes: Uint8Array): boolean {
  if (bytes.length !== KEM_PUBLIC_KEY_BYTES) return false
  for (let at = 0; at < COEFFICIENTS_BYTES; at += 3) {
    const bits = bytes[at]! | (bytes[at + 1]! << 8) | (bytes[at + 2]! << 16)
    if ((bits & 0xfff) >= MODULUS || bits >> 12 >= MODULUS) return false
  }
  return true
}

/** Bytes of a wrap for a device (docs/protocol.md, "Wraps"): with a KEM key it is a hybrid. */
export function wrapBytes(rsaBits: number, hasKemKey: boolean): number {
  return rsaBits / 8 + (hasKemKey ? KEM_CIPHERTEXT_BYTES + SEALED_KEY_BYTES : 0)
}
