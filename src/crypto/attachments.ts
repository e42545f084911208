import { sha256 } from '@noble/hashes/sha2.js'
import { decrypt, encrypt, importAesKey, TAG_BYTES } from './aes-gcm.js'
import * as layout from './attachment-layout.js'
import { attachmentCommitment, attachmentKey, type AttachmentReference } from './attachment-reference.js'
import { ByteReader, type ByteSource } from './byte-reader.js'
import { encodeBase64, encodeHex } from './encoding.js'
import { CryptoError } from './errors.js'
import { randomBytes, type CryptoKey, type Random } from './web-crypto.js'

const { CHUNK_BYTES, MAX_CHUNKS, PREFIX_BYTES } = layout
const NO_DATA = new Uint8Array()

/** An attachment during its upload. */
export interface EncryptedAttachment {
  /** The bytes to store, in pieces of about 64 KiB. Can be read once. */
  readonly ciphertext: AsyncGenerator<Uint8Array, void, undefined>
  /** For the message. @throws {Error} if the ciphertext has not been read to its end */
  readonly reference: () => AttachmentReference
}

/**
 * Encrypt a file with a new key, as a stream and in constant memory (docs/protocol.md, "Attachment").
 *
 * @throws {CryptoError} while the ciphertext is read: `too-large` for more than `MAX_ATTACHMENT_BYTES`
 */
export function encryptAttachment(file: ByteSource, random: Random = randomBytes): EncryptedAttachment {
  let reference: AttachmentReference | undefined
  async function* ciphertext(): AsyncGenerator<Uint8Array, void, undefined> {
    const reader = new ByteReader(file)
    try {
      const bytes = random(32)
      const prefix = random(PREFIX_BYTES)
      const key = await importAesKey(bytes)
      const hash = sha256.create().update(prefix)
      let size = 0
      yield prefix.slice()
      for (let chunk = 0, isLast = false; !isLast; chunk++) {
        if (chunk === MAX_CHUNKS) throw new CryptoError('too-large', 'The file is larger than 2^48 bytes.')
        const plaintext = await reader.read(CHUNK_BYTES)
        isLast = await reader.isAtEnd()
        const sealed = await encrypt(key, layout.chunkNonce(prefix, chunk, isLast), plaintext, NO_DATA)
        hash.update(sealed)
        size += plaintext.length
        yield sealed
      }
      const commitment = await attachmentCommitment(bytes)
      reference = { key: encodeBase64(bytes), commitment, size, sha256: encodeHex(hash.digest()) }
    } finally {
      await reader.cancel()
    }
  }
  return {
    ciphertext: ciphertext(),
    reference() {
      if (reference === undefined) throw new Error('The ciphertext has not been read to its end yet.')
      return reference
    }
  }
}

/**
 * Decrypt an attachment as a stream and in constant memory. Each piece was encrypted under the attachment's
 * key for its place. Only after the last piece is it certain that the file is complete and the one that the
 * message names.
 *
 * @throws {CryptoError} while the pieces are read: `wrong-commitment`, or `bad-attachment` if the ciphertext
 *   was altered, cut off, extended or reordered
 */
export async function* decryptAttachment(
  reference: AttachmentReference,
  ciphertext: ByteSource
): AsyncGenerator<Uint8Array, void, undefined> {
  const reader = new ByteReader(ciphertext)
  try {
    const key = await attachmentKey(reference)
    const hash = sha256.create()
    const prefix = await reader.read(PREFIX_BYTES)
    hash.update(prefix)
    const last = layout.chunkCount(reference.size) - 1
    for (let chunk = 0; chunk <= last; chunk++) {
      const sealed = await readChunk(reader, chunk, reference.size)
      hash.update(sealed)
      if (chunk === last) {
        if (!(await reader.isAtEnd())) throw bad('continues after its last chunk')
        if (encodeHex(hash.digest()) !== reference.sha256) throw bad('is not the one that the message names')
      }
      yield await openChunk(key, prefix, chunk, chunk === last, sealed)
    }
  } finally {
    await reader.cancel()
  }
}

/** Reads a part of a stored ciphertext. */
export type ReadRange = (range: layout.ByteRange) => ByteSource | Promise<ByteSource>

/**
 * Decrypt a part of an attachment without the rest. Each piece was encrypted under the attachment's key for
 * its place. `sha256` cannot be checked: a server that colludes with somebody who has the key can show other
 * bytes here than in the whole file.
 *
 * @throws {CryptoError} while the pieces are read: `bad-range`, `wrong-commitment` or `bad-attachment`
 */
export async function* decryptAttachmentRange(
  reference: AttachmentReference,
  range: layout.ByteRange,
  read: ReadRange
): AsyncGenerator<Uint8Array, void, undefined> {
  const key = await attachmentKey(reference)
  const { first, last, encrypted } = layout.chunkSpan(range, reference.size)
  const prefix = await readAll(await read({ start: 0, end: PREFIX_BYTES }), PREFIX_BYTES)
  const lastOfFile = layout.chunkCount(reference.size) - 1
  const reader = new ByteReader(await read(encrypted))
  try {
    for (let chunk = first; chunk <= last; chunk++) {
      const sealed = await readChunk(reader, chunk, reference.size)
      const plaintext = await openChunk(key, prefix, chunk, chunk === lastOfFile, sealed)
      const offset = chunk * CHUNK_BYTES
      yield plaintext.subarray(Math.max(0, range.start - offset), range.end - offset)
    }
  } finally {
    await reader.cancel()
  }
}

async function readAll(source: ByteSource, length: number): Promise<Uint8Array> {
  const reader = new ByteReader(source)
  try {
    return await reader.read(length)
  } finally {
    await reader.cancel()
  }
}

/** Read the next chunk with its tag. The size of the file determines its length. */
async function readChunk(reader: ByteReader, chunk: number, size: number): Promise<Uint8Array> {
  const length = Math.min(CHUNK_BYTES, size - chunk * CHUNK_BYTES) + TAG_BYTES
  const sealed = await reader.read(length)
  if (sealed.length < length) throw bad('ends too early')
  return sealed
}

async function openChunk(
  key: CryptoKey,
  prefix: Uint8Array,
  chunk: number,
  isLast: boolean,
  sealed: Uint8Array
): Promise<Uint8Array> {
  try {
    return await decrypt(key, layout.chunkNonce(prefix, chunk, isLast), sealed, NO_DATA)
  } catch (cause) {
    throw new CryptoError('bad-attachment', `Chunk ${chunk} of the attachment was altered.`, { cause })
  }
}

function bad(what: string): CryptoError {
  return new CryptoError('bad-attachment', `The attachment ${what}.`)
}
