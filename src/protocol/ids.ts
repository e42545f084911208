/**
 * Lexical forms on the wire and in statements, as sources of regular expressions: schemas and parsers share
 * them.
 */
export const UUID = '[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}'
export const USERNAME = '[a-z][a-z0-9_.-]{2,31}'
/** The same in words, for people. */
export const USERNAME_RULE = 'A username has 3 to 32 characters of a-z 0-9 _ . - and begins with a letter.'
/** Lower-case hex of a SHA-256: fingerprints, statement hashes, commitments, roster hashes. */
export const SHA256_HEX = '[0-9a-f]{64}'
/** Standard base64 with padding, canonical: the unused bits of the last character are zero. */
export const BASE64 = '(?:[A-Za-z0-9+/]{4})*(?:[A-Za-z0-9+/][AQgw]==|[A-Za-z0-9+/]{2}[AEIMQUYcgkosw048]=)?'
/** Canonical base64 of exactly 12 bytes. */
export const BASE64_IV = '[A-Za-z0-9+/]{16}'
/** Canonical base64 of exactly 64 bytes, an Ed25519 signature. */
export const BASE64_SIGNATURE = '[A-Za-z0-9+/]{85}[AQgw]=='
/** Canonical base64 of exactly 54 bytes, the nonce of a sign-in with a device's key. */
export const BASE64_NONCE = '[A-Za-z0-9+/]{72}'
/** Base64url of exactly 16 bytes, without padding: the token and the secret of an invitation. */
export const BASE64URL_16 = '[A-Za-z0-9_-]{21}[AQgw]'
/** The origin of a server as the URL standard writes it: lower case, no default port, no path. */
export const ORIGIN = 'https?://[a-z0-9_.:[\\]-]{1,270}'

/** The number of bytes that canonical base64 encodes. */
export function base64Bytes(base64: string): number {
  const padding = base64.endsWith('==') ? 2 : base64.endsWith('=') ? 1 : 0
  return (base64.length / 4) * 3 - padding
}
