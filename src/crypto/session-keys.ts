import { encodeHex, encodeUtf8, uuidBytes } from './encoding.js'
import { CryptoError } from './errors.js'
import { hkdf, importHkdfKey } from './hash.js'
import { randomBytes, type CryptoKey, type Random } from './web-crypto.js'

/** A session key, ready for use. Store `id` and `bytes`, and restore it with `importSessionKey`. */
export interface SessionKey {
  readonly id: string
  /** The secret: 32 bytes. */
  readonly bytes: Uint8Array
  /** `bytes`, imported once for the many messages that use them. */
  readonly hkdfKey: CryptoKey
}

const COMMITMENT_INFO = encodeUtf8('secure-chat/v1 commitment')
export const SESSION_KEY_BYTES = 32

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
