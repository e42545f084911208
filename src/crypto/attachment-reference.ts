import { SHA256_HEX } from '../protocol/ids.js'
import { importAesKey } from './aes-gcm.js'
import { MAX_ATTACHMENT_BYTES } from './attachment-layout.js'
import { decodeBase64, encodeHex, encodeUtf8 } from './encoding.js'
import { CryptoError } from './errors.js'
import { hkdf, importHkdfKey } from './hash.js'
import type { CryptoKey } from './web-crypto.js'

/** The part of a message that lets its readers fetch, verify and decrypt an attachment. */
export interface AttachmentReference {
  /** The secret key: 32 bytes in base64. */
  readonly key: string
  /** The commitment of the key, in hex. */
  readonly commitment: string
  /** Size of the file in bytes. */
  readonly size: number
  /** Hex SHA-256 of the ciphertext, prefix and tags included. */
  readonly sha256: string
}

const COMMITMENT_INFO = encodeUtf8('secure-chat/v1 attachment commitment')
const hash = new RegExp(`^${SHA256_HEX}$`)
/** Canonical base64 of 32 bytes. */
const base64Key = /^[A-Za-z0-9+/]{42}[AEIMQUYcgkosw048]=$/

/** The commitment of an attachment's key in hex: without it, one ciphertext could decrypt under two keys. */
export async function attachmentCommitment(key: Uint8Array): Promise<string> {
  return encodeHex(await hkdf(await importHkdfKey(key), new Uint8Array(), COMMITMENT_INFO))
}

/**
 * Import the key of a reference for decryption.
 *
 * @throws {CryptoError} `bad-attachment` if the reference is malformed; `wrong-commitment` if its key does
 *   not match its commitment
 */
export async function attachmentKey({
  key,
  commitment,
  size,
  sha256
}: AttachmentReference): Promise<CryptoKey> {
  const isWellFormed =
    base64Key.test(key) &&
    hash.test(commitment) &&
    hash.test(sha256) &&
    Number.isSafeInteger(size) &&
    size >= 0 &&
    size <= MAX_ATTACHMENT_BYTES
  if (!isWellFormed) throw new CryptoError('bad-attachment', 'The reference to the attachment is malformed.')
  const bytes = decodeBase64(key)
  if ((await attachmentCommitment(bytes)) !== commitment)
    throw new CryptoError(
      'wrong-commitment',
      'The attachment’s key does not match the commitment in its reference.'
    )
  return importAesKey(bytes)
}
