import { SHA256_HEX } from '../protocol/ids.js'
import { KEM_CIPHERTEXT_BYTES, SEALED_KEY_BYTES, wrapBytes } from '../protocol/kem.js'
import { PROTOCOL } from '../protocol/statements.js'
import { decrypt, encrypt, importAesKey, IV_BYTES } from './aes-gcm.js'
import { concat, decodeBase64, decodeHex, encodeBase64, encodeUtf8 } from './encoding.js'
import { CryptoError } from './errors.js'
import { hkdf, importHkdfKey, sha256, sha256Hex } from './hash.js'
import { decapsulate, encapsulate } from './kem.js'
import { oaepDecrypt, oaepEncrypt } from './rsa-oaep.js'
import { importSessionKey, SESSION_KEY_BYTES, sessionKeyCommitment, type SessionKey } from './session-keys.js'
import { Turns } from './turns.js'
import { randomBytes, type CryptoKey } from './web-crypto.js'

/** A device that a session key is wrapped for, as its signed line in the user's chain names it. */
export interface WrapRecipient {
  /** Fingerprint of the device's signing key. */
  readonly signingKey: string
  readonly encryptionKey: CryptoKey
  /** The raw ML-KEM-768 public key; undefined only if the signed line has `-` in its place. */
  readonly kemKey: Uint8Array | undefined
}

/** The private keys of the device that unwraps, and its fingerprint. */
export interface UnwrapKeys {
  /** Fingerprint of the device's signing key. */
  readonly signingKey: string
  readonly encryptionKey: CryptoKey
  /** Undefined only if the device's signed line has `-` for its KEM key. */
  readonly kemSeed: Uint8Array | undefined
}

/** What a verified `conversation-key` statement says of its session key. */
export interface WrappedKeyStatement {
  /** Hash of the statement's text. */
  readonly hash: string
  readonly sessionKey: string
  readonly commitment: string
}

const WRAP_INFO = encodeUtf8('secure-chat/v1 wrap')
const NO_IV = new Uint8Array(IV_BYTES)
const hash = new RegExp(`^${SHA256_HEX}$`)

/**
 * Wrap a session key for a device (docs/protocol.md, "Wraps"): with RSA-OAEP and ML-KEM-768, or with RSA-OAEP
 * alone for a device without a KEM key. Returns base64.
 *
 * @param statement hash of the `conversation-key` statement
 * @throws {CryptoError} `bad-key` if nothing can be encrypted with a key of the recipient; `bad-encoding` if
 *   a hash or fingerprint is malformed
 */
export async function wrapSessionKey(
  { bytes }: SessionKey,
  { signingKey, encryptionKey, kemKey }: WrapRecipient,
  statement: string
): Promise<string> {
  const context = wrapContext(statement, signingKey)
  if (kemKey === undefined) return encodeBase64(await oaepEncrypt(encryptionKey, bytes))
  const r = randomBytes(32)
  const { ciphertext, sharedSecret } = await encapsulate(kemKey)
  const rsa = await oaepEncrypt(encryptionKey, r)
  const key = await wrapKey(sharedSecret, r, statement, ciphertext, rsa)
  return encodeBase64(concat(ciphertext, rsa, await encrypt(key, NO_IV, bytes, context)))
}

/**
 * Wrap a session key for many devices, and let other work run in between. Returns the wraps in the order of
 * the recipients.
 *
 * @throws {CryptoError} as `wrapSessionKey` does
 */
export async function wrapSessionKeyForAll(
  key: SessionKey,
  recipients: readonly WrapRecipient[],
  statement: string
): Promise<string[]> {
  const turns = new Turns()
  const wraps: string[] = []
  for (const recipient of recipients) {
    wraps.push(await wrapSessionKey(key, recipient, statement))
    await turns.next()
  }
  return wraps
}

/**
 * Unwrap a session key for this device, and compare it with its commitment. The form of the wrap follows from
 * the device's signed line, not from its bytes, so that nobody can take the stronger one away.
 *
 * @param wrapped base64
 * @throws {CryptoError} `bad-wrap` or `bad-encoding` if it does not open; `wrong-commitment` if it is another
 *   key
 */
export async function unwrapSessionKey(
  wrapped: string,
  keys: UnwrapKeys,
  { hash: statement, sessionKey, commitment }: WrappedKeyStatement
): Promise<SessionKey> {
  const context = wrapContext(statement, keys.signingKey)
  const wrap = decodeBase64(wrapped)
  const expected = wrapBytes(rsaBits(keys.encryptionKey), keys.kemSeed !== undefined)
  if (wrap.length !== expected)
    throw new CryptoError('bad-wrap', `The wrap has ${wrap.length} bytes instead of ${expected}.`)
  const bytes =
    keys.kemSeed === undefined
      ? await oaepDecrypt(keys.encryptionKey, wrap)
      : await openHybrid(wrap, keys.encryptionKey, keys.kemSeed, statement, context)
  if (bytes.length !== SESSION_KEY_BYTES)
    throw new CryptoError('bad-wrap', `The wrap holds ${bytes.length} bytes instead of 32.`)
  const key = await importSessionKey(sessionKey, bytes)
  if ((await sessionKeyCommitment(key)) !== commitment)
    throw new CryptoError(
      'wrong-commitment',
      'The session key does not match the commitment in its statement.'
    )
  return key
}

/** The hash of a wrap's bytes in hex, for a `wrap-added` statement. @throws {CryptoError} `bad-encoding` */
export async function wrapHash(wrapped: string): Promise<string> {
  return sha256Hex(decodeBase64(wrapped))
}

async function openHybrid(
  wrap: Uint8Array,
  encryptionKey: CryptoKey,
  kemSeed: Uint8Array,
  statement: string,
  context: Uint8Array
): Promise<Uint8Array> {
  const ciphertext = wrap.subarray(0, KEM_CIPHERTEXT_BYTES)
  const rsa = wrap.subarray(KEM_CIPHERTEXT_BYTES, -SEALED_KEY_BYTES)
  const r = await oaepDecrypt(encryptionKey, rsa)
  if (r.length !== 32) throw new CryptoError('bad-wrap', 'The RSA part of the wrap does not hold 32 bytes.')
  const key = await wrapKey(await decapsulate(kemSeed, ciphertext), r, statement, ciphertext, rsa)
  try {
    return await decrypt(key, NO_IV, wrap.subarray(-SEALED_KEY_BYTES), context)
  } catch (cause) {
    throw new CryptoError('bad-wrap', 'The wrap is for another device or statement, or it was altered.', {
      cause
    })
  }
}

/** Both secrets go into the key: to break one of the two algorithms is not enough. */
async function wrapKey(
  sharedSecret: Uint8Array,
  r: Uint8Array,
  statement: string,
  ciphertext: Uint8Array,
  rsa: Uint8Array
): Promise<CryptoKey> {
  const ikm = await importHkdfKey(concat(sharedSecret, r))
  const salt = await sha256(concat(decodeHex(statement), ciphertext, rsa))
  return importAesKey(await hkdf(ikm, salt, WRAP_INFO))
}

function wrapContext(statement: string, signingKey: string): Uint8Array {
  if (!hash.test(statement) || !hash.test(signingKey))
    throw new CryptoError('bad-encoding', 'A hash or a fingerprint is 64 lower-case hex digits.')
  return encodeUtf8(`${PROTOCOL} wrap\nstatement ${statement}\ndevice ${signingKey}\n`)
}

function rsaBits({ algorithm }: CryptoKey): number {
  return (algorithm as unknown as { modulusLength: number }).modulusLength
}
