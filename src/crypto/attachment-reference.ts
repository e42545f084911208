import { SHA256_HEX } from '../protocol/ids.js'
import { importAesKey } from './aes-gcm.js'
import { MAX_ATTACHMENT_BYTES } from './attachment-layout.js'
import { decodeBase64, encodeUtf8 } from './encoding.js'
import { CryptoError } from './errors.js'
import { hkdf, importHkdfKey } from './hash.js'
import type { CryptoKey } from './web-crypto.js'

/** The part of a message that lets its readers fetch, verify and decrypt an attachment. */
export interface AttachmentReference {
  /** The secret key: 32 bytes in base64. */
  readonly key: string
  /** Size of the file in bytes, without its padding. */
  readonly size: number
  /** Hex SHA-256 of all that is stored. */
  readonly sha256: string
}

const COMMITMENT_INFO = encodeUtf8('secure-chat/v1 attachment commitment')
const hash = new RegExp(`^${SHA256_HEX}$`)
/** Canonical base64 of 32 bytes. */
const base64Key = /^[A-Za-z0-9+/]{42}[AEIMQUYcgkosw048]=$/

/** An attachment's key, ready for use. */
export interface AttachmentKey {
  readonly aesKey: CryptoKey
  /** Stored before the chunks: without it, one stored file could open under two keys. */
  readonly commitment: Uint8Array
}

/** Import the 32 bytes of an attachment's key. */
export async function importAttachmentKey(key: Uint8Array): Promise<AttachmentKey> {
  const aesKey = await importAesKey(key)
  return { aesKey, commitment: await hkdf(await importHkdfKey(key), new Uint8Array(), COMMITMENT_INFO) }
}

/**
 * Import the key of a reference.
 *
 * @throws {CryptoError} `bad-attachment` if the reference is malformed
 */
export async function attachmentKey({ key, size, sha256 }: AttachmentReference): Promise<AttachmentKey> {
  const isWellFormed =
    base64Key.test(key) &&
    hash.test(sha256) &&
    Number.isSafeInteger(size) &&
    size >= 0 &&
    size <= MAX_ATTACHMENT_BYTES
  if (!isWellFormed) throw new CryptoError('bad-attachment', 'The reference to the attachment is malformed.')
  return importAttachmentKey(decodeBase64(key))
}
