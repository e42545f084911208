import { SHA256_HEX } from '../protocol/ids.js'
import { importAesKey } from './aes-gcm.js'
import { MAX_ATTACHMENT_BYTES } from './attachment-layout.js'
import { decodeBase64, encodeHex, encodeUtf8 } from './encoding.js'
import { CryptoError } from './errors.js'
import { hkdf, importHkdfKey } from './hash.js'
import type { CryptoKey } from './web-crypto.js'

/** What a message says of an attachment's bytes, so that its readers, and they alone, can open it. */
export interface AttachmentReference {
  /** 32 bytes in base64, a secret. */
  readonly key: string
  /** What the key commits to, in hex. */
  readonly commitment: string
  /** Bytes of the file. */
  readonly size: number
  /** Hex SHA-256 of the ciphertext, prefix and tags included. */
  readonly sha256: string
}

const COMMITMENT_INFO = encodeUtf8('secure-chat/v1 attachment commitment')
const hash = new RegExp(`^${SHA256_HEX}$`)
/** Canonical base64 of 32 bytes. */
const base64Key = /^[A-Za-z0-9+/]{42}[AEIMQUYcgkosw048]=$/

/** The commitment of an attachment's key. */
export async function attachmentCommitment(key: Uint8Array): Promise<string> {
  return encodeHex(await hkdf(await importHkdfKey(key), new Uint8Array(), COMMITMENT_INFO))
}

/**
 * The key that a reference holds, ready to decrypt with.
 *
 * @throws {CryptoError} `bad-attachment` if the reference does not have its form; `wrong-commitment` if its key is
 *   not the one that it commits to
 */
export async function attachmentKey({
  key,
  commitment,
  size,
  sha256
}: AttachmentReference): Promise<CryptoKey> {
  const isOfForm =
    base64Key.test(key) &&
    hash.test(commitment) &&
    hash.test(sha256) &&
    Number.isSafeInteger(size) &&
    size >= 0 &&
    size <= MAX_ATTACHMENT_BYTES
  if (!isOfForm)
    throw new CryptoError('bad-attachment', 'The reference to the attachment does not have its form.')
  const bytes = decodeBase64(key)
  if ((await attachmentCommitment(bytes)) !== commitment)
    throw new CryptoError(
      'wrong-commitment',
      'The attachment’s key is not the one that its reference commits to.'
    )
  return importAesKey(bytes)
}
