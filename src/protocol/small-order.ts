/**
 * The y coordinates of Ed25519's points of small order in all their encodings, little-endian, in hex. Anybody
 * can make signatures that verify under such a public key, over any text.
 */
const SMALL_ORDER = new Set([
  '00'.repeat(32),
  `01${'00'.repeat(31)}`,
  '26e8958fc2b227b045c3f489f2ef98f0d5dfac05d3c63339b13802886d53fc05',
  'c7176a703d4dd84fba3c0b760d10670f2a2053fa2c39ccc64ec7fd7792ac037a',
  `ec${'ff'.repeat(30)}7f`,
  `ed${'ff'.repeat(30)}7f`,
  `ee${'ff'.repeat(30)}7f`
])

/** Whether 32 bytes encode a point of small order, which neither a public key nor R of a signature may be. */
export function isSmallOrder(point: Uint8Array): boolean {
  const bytes = [...point]
  bytes[31]! &= 0x7f
  return SMALL_ORDER.has(bytes.map((byte) => byte.toString(16).padStart(2, '0')).join(''))
}
