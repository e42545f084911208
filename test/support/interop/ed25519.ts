import { sign as signBytes, verify as verifyBytes, type KeyObject } from 'node:crypto'

const PRIME = 2n ** 255n - 19n

/** y of the points of small order: 1, −1, 0, and those of order 8. */
const SMALL_ORDER: ReadonlySet<bigint> = new Set([
  0n,
  1n,
  PRIME - 1n,
  0x05fc536d880238b13933c6d305acdfd5f098eff289f4c345b027b2c28f95e826n,
  PRIME - 0x05fc536d880238b13933c6d305acdfd5f098eff289f4c345b027b2c28f95e826n
])

/** Whether 32 bytes encode a point canonically, and not one of small order. */
function isSound(point: Uint8Array): boolean {
  const y = BigInt(`0x${Buffer.from(point).reverse().toString('hex')}`) & (2n ** 255n - 1n)
  return y < PRIME && !SMALL_ORDER.has(y)
}

const publicBytes = (key: KeyObject): Uint8Array =>
  Buffer.from(key.export({ format: 'jwk' }).x ?? '', 'base64url')

/** Whether a public key may be used at all (docs/protocol.md, "Signatures"). */
export const isSoundKey = (key: KeyObject): boolean => isSound(publicBytes(key))

export const signEd25519 = (key: KeyObject, message: Uint8Array): Buffer => signBytes(null, message, key)

/** OpenSSL verifies without the cofactor, and refuses an S that is too large. It accepts odd points. */
export const verifyEd25519 = (key: KeyObject, message: Uint8Array, signature: Uint8Array): boolean =>
  signature.length === 64 &&
  isSound(signature.subarray(0, 32)) &&
  isSoundKey(key) &&
  verifyBytes(null, message, key, signature)
