import { CryptoError } from './errors.js'

const SPACE = 0x20
const MIN_PADDED_BYTES = 256

/**
 * The padded length of `length` bytes, at most 2^48: Padmé with at least 256 bytes (docs/protocol.md,
 * "Message").
 */
export function padmeLength(length: number): number {
  if (length <= MIN_PADDED_BYTES) return MIN_PADDED_BYTES
  const exponent = floorLog2(length)
  const step = 2 ** (exponent - (floorLog2(exponent) + 1))
  return Math.ceil(length / step) * step
}

/** Exact, which `Math.log2` is not on every platform. */
function floorLog2(value: number): number {
  return value < 2 ** 32 ? 31 - Math.clz32(value) : 63 - Math.clz32(value / 2 ** 32)
}

/** Append spaces, which JSON ignores. */
export function pad(bytes: Uint8Array): Uint8Array {
  const padded = new Uint8Array(padmeLength(bytes.length)).fill(SPACE, bytes.length)
  padded.set(bytes)
  return padded
}

/**
 * Remove the spaces that `pad` appended to bytes that do not end with a space.
 *
 * @throws {CryptoError} `bad-padding` if the length is not the padded length of the rest
 */
export function unpad(padded: Uint8Array): Uint8Array {
  let length = padded.length
  while (length > 0 && padded[length - 1] === SPACE) length--
  if (padmeLength(length) !== padded.length)
    throw new CryptoError('bad-padding', `${length} bytes are not padded to ${padded.length}.`)
  return padded.subarray(0, length)
}
