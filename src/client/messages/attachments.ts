import * as sealed from '../../crypto/attachments.js'
import type { EncryptedAttachment, ReadRange } from '../../crypto/attachments.js'
import type { ByteRange } from '../../crypto/attachment-layout.js'
import type { AttachmentReference } from '../../crypto/attachment-reference.js'
import type { ByteSource } from '../../crypto/byte-reader.js'
import { CryptoError } from '../../crypto/errors.js'
import { ChatError, untrusted } from '../errors.js'

export type { AttachmentReference, ByteRange, ByteSource, EncryptedAttachment, ReadRange }

/**
 * Encrypt a file as it streams, under a new key, in constant memory. What comes out is to be stored where its readers
 * can fetch it; the reference, which holds the key, goes into a message (`FileContent`).
 *
 * @throws {ChatError} from the ciphertext: `too-large` (`usage`)
 */
export function encryptAttachment(file: ByteSource): EncryptedAttachment {
  const { ciphertext, reference } = sealed.encryptAttachment(file)
  return { ciphertext: explained(ciphertext), reference }
}

/**
 * Decrypt an attachment as it streams, in constant memory. The file is the one that the message meant when the last
 * piece has come: if an error comes before that, throw away what came out.
 *
 * @param reference a `FileContent` is one
 * @throws {ChatError} from the pieces: `bad-attachment`, `wrong-commitment` (`untrusted`)
 */
export function decryptAttachment(
  reference: AttachmentReference,
  ciphertext: ByteSource
): AsyncGenerator<Uint8Array, void, undefined> {
  return explained(sealed.decryptAttachment(reference, ciphertext))
}

/**
 * Decrypt a part of an attachment without the rest. Its hash can't be checked then: somebody who has the key, and
 * whoever keeps the ciphertext, could together show other bytes here than in the whole file.
 *
 * @param read fetches bytes of the ciphertext
 * @throws {ChatError} from the pieces: `bad-range` (`usage`); `bad-attachment`, `wrong-commitment` (`untrusted`)
 */
export function decryptAttachmentRange(
  reference: AttachmentReference,
  range: ByteRange,
  read: ReadRange
): AsyncGenerator<Uint8Array, void, undefined> {
  return explained(sealed.decryptAttachmentRange(reference, range, read))
}

async function* explained(
  pieces: AsyncGenerator<Uint8Array, void, undefined>
): AsyncGenerator<Uint8Array, void, undefined> {
  try {
    yield* pieces
  } catch (error) {
    if (!(error instanceof CryptoError)) throw error
    const isCallers = error.code === 'too-large' || error.code === 'bad-range'
    throw isCallers
      ? new ChatError('usage', error.code, error.message, { cause: error })
      : untrusted(error.code, error.message, error)
  }
}
