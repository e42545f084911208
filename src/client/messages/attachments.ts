import * as sealed from '../../crypto/attachments.js'
import type { EncryptedAttachment, ReadRange } from '../../crypto/attachments.js'
import type { ByteRange } from '../../crypto/attachment-layout.js'
import type { AttachmentReference } from '../../crypto/attachment-reference.js'
import type { ByteSource } from '../../crypto/byte-reader.js'
import { CryptoError } from '../../crypto/errors.js'
import { publicCall } from '../calls.js'
import { ChatError, untrusted } from '../errors.js'

export type { AttachmentReference, ByteRange, ByteSource, EncryptedAttachment, ReadRange }

/**
 * Encrypt a file as a stream, under a new key, in constant memory. Store the ciphertext where its readers can
 * fetch it, and send the reference, which holds the key, in a message (`FileContent`).
 *
 * @throws {ChatError} from the ciphertext: `too-large` (`usage`)
 */
export function encryptAttachment(file: ByteSource): EncryptedAttachment {
  let reference: EncryptedAttachment['reference'] | undefined
  const seal = (watched: ByteSource) => {
    const attachment = sealed.encryptAttachment(watched)
    reference = attachment.reference
    return withChatErrors(attachment.ciphertext)
  }
  const ciphertext = publicCall(seal, 'encryptAttachment')(file)
  return { ciphertext, reference: publicCall(() => reference!(), 'encryptAttachment.reference') }
}

/**
 * Decrypt an attachment as a stream, in constant memory. Only when the last piece has come is it certain that
 * the file is the one that was sent: if an error comes before that, discard all pieces.
 *
 * @param reference a `FileContent` is one
 * @throws {ChatError} from the pieces: `bad-attachment`, `wrong-commitment` (`untrusted`)
 */
export function decryptAttachment(
  reference: AttachmentReference,
  ciphertext: ByteSource
): AsyncGenerator<Uint8Array, void, undefined> {
  const open = (...given: Parameters<typeof decryptAttachment>) =>
    withChatErrors(sealed.decryptAttachment(...given))
  return publicCall(open, 'decryptAttachment')(reference, ciphertext)
}

/**
 * Decrypt a part of an attachment without the rest. Then its hash can't be checked: a person who has the key,
 * together with the one who stores the ciphertext, could show other bytes here than in the whole file.
 *
 * @param read fetches a range of the ciphertext
 * @throws {ChatError} from the pieces: `bad-range` (`usage`); `bad-attachment`, `wrong-commitment`
 *   (`untrusted`)
 */
export function decryptAttachmentRange(
  reference: AttachmentReference,
  range: ByteRange,
  read: ReadRange
): AsyncGenerator<Uint8Array, void, undefined> {
  const open = (...given: Parameters<typeof decryptAttachmentRange>) =>
    withChatErrors(sealed.decryptAttachmentRange(...given))
  return publicCall(open, 'decryptAttachmentRange')(reference, range, read)
}

async function* withChatErrors(
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
