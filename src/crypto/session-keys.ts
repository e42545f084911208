import type { SignedStatement } from '../protocol/schema.js'
import { parseStatement, rosterText, type Statement } from '../protocol/statements.js'
import { decodeBase64, encodeBase64, encodeHex, encodeUtf8, uuidBytes } from './encoding.js'
import { CryptoError } from './errors.js'
import { hkdf, importHkdfKey, sha256Hex } from './hash.js'
import { oaepDecrypt, oaepEncrypt } from './rsa-oaep.js'
import { verifyStatement } from './statements.js'
import { randomBytes, type CryptoKey, type Random } from './web-crypto.js'

/** A session key, ready for use: `importSessionKey` makes it of what is stored, `id` and `bytes`. */
export interface SessionKey {
  readonly id: string
  /** 32 bytes, a secret. */
  readonly bytes: Uint8Array
  /** The same for HKDF, imported once since many messages need it. */
  readonly hkdfKey: CryptoKey
}

/** A line of a roster: the fingerprints of the keys of a device that a session key is wrapped for. */
export interface RosterDevice {
  readonly signingKey: string
  readonly encryptionKey: string
}

const COMMITMENT_INFO = encodeUtf8('secure-chat/v1 commitment')
const SESSION_KEY_BYTES = 32

/** @throws {CryptoError} `bad-key` unless there are 32 bytes; `bad-encoding` unless the id is a UUID */
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

/** What the session key's statement says of it, so that nobody can be given another one. */
export async function sessionKeyCommitment({ id, hkdfKey }: SessionKey): Promise<string> {
  return encodeHex(await hkdf(hkdfKey, uuidBytes(id), COMMITMENT_INFO))
}

/** The hash of a roster, in whatever order its devices come. */
export async function rosterHash(devices: readonly RosterDevice[]): Promise<string> {
  return sha256Hex(rosterText(devices))
}

/**
 * Wrap a session key for a device: RSA-OAEP with SHA-256, in base64.
 *
 * @throws {CryptoError} `bad-key` if nothing can be wrapped for the public key
 */
export async function wrapSessionKey(publicKey: CryptoKey, { bytes }: SessionKey): Promise<string> {
  return encodeBase64(await oaepEncrypt(publicKey, bytes))
}

/**
 * Unwrap a session key that was wrapped for this device, and see that it is the one which its statement means.
 *
 * @param expected id and commitment, from a statement that was verified
 * @throws {CryptoError} `bad-wrap` (or `bad-encoding`) if it does not open; `wrong-commitment` if it holds another key
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
    throw new CryptoError('wrong-commitment', 'The session key is not the one that its statement commits to.')
  return key
}

/** What a session key's statement has to agree with, all of it derived from verified chains. */
export interface SessionKeyExpectation {
  readonly conversationId: string
  readonly id: string
  /** The devices that it must be wrapped for, the maker's among them. */
  readonly roster: readonly RosterDevice[]
  /** Public signing keys of the members' devices by fingerprint. */
  readonly signingKeys: ReadonlyMap<string, CryptoKey>
}

/**
 * Verify a session key's statement (protocol, "Session key", 1 to 3). Whether its `head` is one that the chain has
 * had is for the caller to see, who derived the roster for it.
 *
 * @throws {CryptoError} `bad-signature`, `wrong-place` (another conversation or id), `not-in-roster` (the maker) or
 *   `wrong-roster` (somebody reads along, or is left out)
 * @throws {RuleViolation} `invalid-statement`
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
    throw new CryptoError('wrong-place', 'The statement is of another conversation or session key.')
  if (!roster.some((device) => device.signingKey === statement.by))
    throw new CryptoError('not-in-roster', 'The maker of the session key is not in its roster.')
  if (statement.roster !== (await rosterHash(roster)))
    throw new CryptoError('wrong-roster', 'The session key is wrapped for other devices than it must be.')
  return statement
}
