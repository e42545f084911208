import { UUID } from '../protocol/ids.js'
import { CryptoError } from './errors.js'

const encoder = new TextEncoder()
const decoder = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true })
const alphabet = encoder.encode('ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/')
const sextets = new Uint8Array(128).fill(255)
alphabet.forEach((code, value) => (sextets[code] = value))
const uuid = new RegExp(`^${UUID}$`)
const PAD = 0x3d

/** Newer platforms have base64 built in. It is faster. */
type BytesWithToBase64 = Uint8Array & { toBase64?: () => string }
const builtIn = Uint8Array as {
  fromBase64?: (text: string, options: { lastChunkHandling: 'strict' }) => Uint8Array
}

export function encodeUtf8(text: string): Uint8Array {
  return encoder.encode(text)
}

/** @throws {CryptoError} `bad-encoding` if the bytes are not UTF-8 */
export function decodeUtf8(bytes: Uint8Array): string {
  try {
    return decoder.decode(bytes)
  } catch (cause) {
    throw new CryptoError('bad-encoding', 'The bytes are not UTF-8.', { cause })
  }
}

/** Standard base64 with padding (RFC 4648, section 4). */
export function encodeBase64(bytes: BytesWithToBase64): string {
  return bytes.toBase64?.() ?? encodeBase64ByTable(bytes)
}

/** The fallback of `encodeBase64` for platforms without a built-in. */
export function encodeBase64ByTable(bytes: Uint8Array): string {
  const codes = new Uint8Array(Math.ceil(bytes.length / 3) * 4)
  const whole = bytes.length - (bytes.length % 3)
  let at = 0
  for (let i = 0; i < whole; i += 3) {
    const bits = (bytes[i]! << 16) | (bytes[i + 1]! << 8) | bytes[i + 2]!
    codes[at++] = alphabet[bits >> 18]!
    codes[at++] = alphabet[(bits >> 12) & 63]!
    codes[at++] = alphabet[(bits >> 6) & 63]!
    codes[at++] = alphabet[bits & 63]!
  }
  if (whole < bytes.length) {
    const bits = (bytes[whole]! << 16) | ((bytes[whole + 1] ?? 0) << 8)
    codes[at++] = alphabet[bits >> 18]!
    codes[at++] = alphabet[(bits >> 12) & 63]!
    codes[at++] = whole + 1 < bytes.length ? alphabet[(bits >> 6) & 63]! : PAD
    codes[at] = PAD
  }
  return decoder.decode(codes)
}

/**
 * Decode standard base64 (RFC 4648, section 4). Only the canonical form is accepted: with padding, without
 * white space, unused bits zero.
 *
 * @throws {CryptoError} `bad-encoding` if the text has another form
 */
export function decodeBase64(text: string): Uint8Array {
  if (builtIn.fromBase64 === undefined) return decodeBase64ByTable(text)
  let bytes: Uint8Array
  try {
    bytes = builtIn.fromBase64(text, { lastChunkHandling: 'strict' })
  } catch {
    throw notBase64()
  }
  // The built-in skips white space even in strict mode.
  if (text.length !== Math.ceil(bytes.length / 3) * 4) throw notBase64()
  return bytes
}

/** The fallback of `decodeBase64` for platforms without a built-in. */
export function decodeBase64ByTable(text: string): Uint8Array {
  if (text.length % 4 !== 0) throw notBase64()
  const padding = text.endsWith('==') ? 2 : text.endsWith('=') ? 1 : 0
  const bytes = new Uint8Array((text.length / 4) * 3 - padding)
  const sextet = (at: number): number => {
    const value = sextets[text.charCodeAt(at)] ?? 255
    if (value === 255) throw notBase64()
    return value
  }
  const whole = text.length - (padding > 0 ? 4 : 0)
  let to = 0
  let i = 0
  for (; i < whole; i += 4) {
    const bits = (sextet(i) << 18) | (sextet(i + 1) << 12) | (sextet(i + 2) << 6) | sextet(i + 3)
    bytes[to++] = bits >> 16
    bytes[to++] = (bits >> 8) & 255
    bytes[to++] = bits & 255
  }
  if (padding > 0) {
    const bits = (sextet(i) << 18) | (sextet(i + 1) << 12) | (padding === 1 ? sextet(i + 2) << 6 : 0)
    if ((bits & (padding === 1 ? 0xff : 0xffff)) !== 0) throw notBase64()
    bytes[to++] = bits >> 16
    if (padding === 1) bytes[to] = (bits >> 8) & 255
  }
  return bytes
}

function notBase64(): CryptoError {
  return new CryptoError(
    'bad-encoding',
    'The text is not standard base64 with padding in its canonical form.'
  )
}

const hexPairs = Array.from({ length: 256 }, (_, value) => value.toString(16).padStart(2, '0'))

/** Lower-case hex. */
export function encodeHex(bytes: Uint8Array): string {
  let text = ''
  for (const byte of bytes) text += hexPairs[byte]!
  return text
}

/** @throws {CryptoError} `bad-encoding` if the text is not lower-case hex */
export function decodeHex(text: string): Uint8Array {
  if (!/^(?:[0-9a-f]{2})*$/.test(text))
    throw new CryptoError('bad-encoding', 'The text is not lower-case hex.')
  const bytes = new Uint8Array(text.length / 2)
  for (let i = 0; i < bytes.length; i++) bytes[i] = parseInt(text.slice(2 * i, 2 * i + 2), 16)
  return bytes
}

export function concat(...parts: readonly Uint8Array[]): Uint8Array {
  const whole = new Uint8Array(parts.reduce((length, part) => length + part.length, 0))
  let at = 0
  for (const part of parts) {
    whole.set(part, at)
    at += part.length
  }
  return whole
}

/** Whether two byte arrays are equal, in constant time for arrays of one length. */
export function equalBytes(a: Uint8Array, b: Uint8Array): boolean {
  if (a.length !== b.length) return false
  let difference = 0
  for (let i = 0; i < a.length; i++) difference |= a[i]! ^ b[i]!
  return difference === 0
}

/**
 * The 16 bytes of a lower-case UUID.
 *
 * @throws {CryptoError} `bad-encoding` if the text is not one
 */
export function uuidBytes(id: string): Uint8Array {
  if (!uuid.test(id)) throw new CryptoError('bad-encoding', 'The id is not a lower-case UUID.')
  return decodeHex(id.replaceAll('-', ''))
}
