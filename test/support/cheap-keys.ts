import { createPublicKey, randomBytes, randomInt } from 'node:crypto'

/**
 * An RSA public key of a random modulus, which costs nothing. Things can be wrapped for it as for any other,
 * and nobody ever unwraps them.
 */
export function cheapRsa(bits = 2048, exponent = 'AQAB'): string {
  const modulus = randomBytes(bits / 8)
  modulus[0]! |= 0x80
  modulus[modulus.length - 1]! |= 1
  const key = createPublicKey({
    key: { kty: 'RSA', n: modulus.toString('base64url'), e: exponent },
    format: 'jwk'
  })
  return key.export({ type: 'spki', format: 'pem' }).toString()
}

/** An ML-KEM-768 public key that nobody can open with: 768 coefficients under 3,329, and a seed. */
export function cheapKem(): string {
  const key = randomBytes(1184)
  for (let at = 0; at < 1152; at += 3) key.writeUIntLE(randomInt(3329) | (randomInt(3329) << 12), at, 3)
  return key.toString('base64')
}
