/**
 * The forms that platforms disagree about (docs/protocol.md, "Signatures"). All sides refuse them, so that
 * all agree on each signature. Numbers are little-endian.
 */

const SIGNATURE_BYTES = 64
/** 2^255 - 19: coordinates are smaller. */
const PRIME = fromHex(`ed${'ff'.repeat(30)}7f`)
/** The order of the base point: S of a signature is smaller. */
const ORDER = fromHex('edd3f55c1a631258d69cf7a2def9de1400000000000000000000000000000010')
/** The y coordinates of the points of small order. Anybody can sign for such a public key. */
const SMALL_ORDER = [
  '00'.repeat(32),
  `01${'00'.repeat(31)}`,
  '26e8958fc2b227b045c3f489f2ef98f0d5dfac05d3c63339b13802886d53fc05',
  'c7176a703d4dd84fba3c0b760d10670f2a2053fa2c39ccc64ec7fd7792ac037a',
  `ec${'ff'.repeat(30)}7f`
].map(fromHex)

/**
 * Whether 32 bytes may be a public key, or R of a signature: the encoding is canonical, and the point is not
 * of small order. Whether it is on the curve is for the platform to say.
 */
export function isAcceptablePoint(bytes: Uint8Array): boolean {
  if (bytes.length !== 32) return false
  const y = Uint8Array.from(bytes)
  // The last bit is the sign of x.
  y[31]! &= 0x7f
  return isBelow(y, PRIME) && !SMALL_ORDER.some((small) => isEqual(y, small))
}

/** Whether 64 bytes may be a signature: R is acceptable, and S is smaller than the order. */
export function isAcceptableSignature(bytes: Uint8Array): boolean {
  if (bytes.length !== SIGNATURE_BYTES) return false
  return isAcceptablePoint(bytes.subarray(0, 32)) && isBelow(bytes.subarray(32), ORDER)
}

/** Whether a number is smaller than one of as many bytes. */
function isBelow(number: Uint8Array, bound: Uint8Array): boolean {
  const at = number.findLastIndex((byte, index) => byte !== bound[index])
  return at >= 0 && number[at]! < bound[at]!
}

function isEqual(one: Uint8Array, other: Uint8Array): boolean {
  return one.every((byte, index) => byte === other[index])
}

function fromHex(hex: string): Uint8Array {
  return Uint8Array.from(hex.match(/../g)!, (byte) => parseInt(byte, 16))
}
