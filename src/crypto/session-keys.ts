import type { SignedStatement } from '../protocol/schema.js'
import { parseStatement, rosterText, type Statement } from '../protocol/statements.js'
import { decodeBase64, encodeBase64, encodeHex, encodeUtf8, uuidBytes } from './encoding.js'
import { CryptoError } from './errors.js'
import { hkdf, importHkdfKey, sha256Hex } from './hash.js'
import { oaepDecrypt, oaepEncrypt } from './rsa-oaep.js'
import { verifyStatement } from './statements.js'
import { randomBytes, type CryptoKey, type Random } from './web-crypto.js'

/** A session key, ready for use. Store `id` and `bytes`, and restore it with `importSessionKey`. */
export interface SessionKey {
  readonly id: string
  /** The secret: 32 bytes. */
  readonly bytes: Uint8Array
  /** `bytes`, imported once for the many messages that use them. */
  readonly hkdfKey: CryptoKey
}

/** A line of a roster: the key fingerprints of a device that a session key is wrapped for. */
export interface RosterLine {
  readonly signingKey: string
  readonly encryptionKey: string
}

const COMMITMENT_INFO = encodeUtf8('secure-chat/v1 commitment')
const SESSION_KEY_BYTES = 32

/** @throws {CryptoError} `bad-key` if there are not 32 bytes; `bad-encoding` if the id is not a UUID */
export async function importSessionKey(id: string, bytes: Uint8Array): Promise<SessionKey> {
  uuidBytes(id)
  if (bytes.length !== SESSION_KEY_BYTES)
    throw new CryptoError('bad-key', `A session key has 32 bytes, not ${bytes.length}.`)
  return { id, bytes, hkdfKey: await importHkdfKey(bytes) }
}

export async function generateSessionKey(
  id: string = crypto.randomUUID(),
  random: Random = randomBytes
): Promise<SessionKey> {
  return importSessionKey(id, random(SESSION_KEY_BYTES))
}

/** The commitment in a session key's statement, in hex. It makes sure that all members get the same key. */
export async function sessionKeyCommitment({ id, hkdfKey }: SessionKey): Promise<string> {
  return encodeHex(await hkdf(hkdfKey, uuidBytes(id), COMMITMENT_INFO))
}

/** The hash of a roster in hex. The order of the devices does not matter. */
export async function rosterHash(devices: readonly RosterLine[]): Promise<string> {
  return sha256Hex(rosterText(devices))
}

/**
 * Encrypt a session key for a device with RSA-OAEP. Returns base64.
 *
 * @throws {CryptoError} `bad-key` if the platform cannot encrypt with the public key
 */
export async function wrapSessionKey(publicKey: CryptoKey, { bytes }: SessionKey): Promise<string> {
  return encodeBase64(await oaepEncrypt(publicKey, bytes))
}

/**
 * Decrypt a session key that was wrapped for this device, and compare it with its commitment.
 *
 * @param wrapped base64
 * @param expected id and commitment from a verified statement
 * @throws {CryptoError} `bad-wrap` or `bad-encoding` if it does not decrypt; `wrong-commitment` if it is
 *   another key
 */
export async function unwrapSessionKey(
  privateKey: CryptoKey,
  wrapped: string,
  expected: { readonly id: string; readonly commitment: string }
): Promise<SessionKey> {
  const bytes = await oaepDecrypt(privateKey, decodeBase64(wrapped))
  if (bytes.length !== SESSION_KEY_BYTES)
    throw new CryptoError('bad-wrap', `The wrap holds ${bytes.length} bytes instead of 32.`)
  const key = await importSessionKey(expected.id, bytes)
  if ((await sessionKeyCommitment(key)) !== expected.commitment)
    throw new CryptoError(
      'wrong-commitment',
      'The session key does not match the commitment in its statement.'
    )
  return key
}

/** The content that a session key's statement must have. Derive it from verified chains. */
export interface SessionKeyExpectation {
  readonly conversationId: string
  readonly id: string
  /** The devices that the key must be wrapped for, its maker's included. */
  readonly roster: readonly RosterLine[]
  /** Public signing keys of the members' devices, by fingerprint. */
  readonly signingKeys: ReadonlyMap<string, CryptoKey>
}

/**
 * Verify a session key's statement (docs/protocol.md, "Session key", checks 1 to 3). The caller checks that
 * `head` is in the chain, and derives the roster at that head.
 *
 * @throws {CryptoError} `bad-signature`; `wrong-place` for another conversation or id; `not-in-roster` if the
 *   maker is missing there; `wrong-roster` if the key is wrapped for more or fewer devices
 * @throws {RuleViolation} `invalid-statement` if the text is malformed
 */
export async function verifySessionKey(
  signed: SignedStatement,
  { conversationId, id, roster, signingKeys }: SessionKeyExpectation
): Promise<Statement<'session-key'>> {
  const statement = parseStatement(signed.text, ['session-key'])
  const maker = signingKeys.get(statement.by)
  const signers = await verifyStatement(signed, new Map(maker && [[statement.by, maker]]))
  if (!signers.has(statement.by))
    throw new CryptoError('bad-signature', 'The session key is not signed by its maker.')
  if (statement.conversation !== conversationId || statement.sessionKey !== id)
    throw new CryptoError('wrong-place', 'The statement belongs to another conversation or session key.')
  if (!roster.some((device) => device.signingKey === statement.by))
    throw new CryptoError('not-in-roster', 'The maker of the session key is not in its roster.')
  if (statement.roster !== (await rosterHash(roster)))
    throw new CryptoError(
      'wrong-roster',
      'The session key is not wrapped for exactly the devices of the roster.'
    )
  return statement
}
