import { sha256 } from '@noble/hashes/sha2.js'
import { encrypt } from './aes-gcm.js'
import { badAttachment, ChunkReader } from './attachment-chunks.js'
import * as layout from './attachment-layout.js'
import { attachmentKey, importAttachmentKey, type AttachmentReference } from './attachment-reference.js'
import { ByteReader, type ByteSource } from './byte-reader.js'
import { concat, encodeBase64, encodeHex } from './encoding.js'
import { CryptoError } from './errors.js'
import { padmeLength } from './padding.js'
import { randomBytes, type Random } from './web-crypto.js'

const { CHUNK_BYTES, HEADER_BYTES, MAX_ATTACHMENT_BYTES, PREFIX_BYTES } = layout
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
    const source = new ByteReader(file)
    const padded = new PaddedFile(source)
    const reader = new ByteReader(padded.pieces())
    try {
      const key = random(32)
      const prefix = random(PREFIX_BYTES)
      const { aesKey, commitment } = await importAttachmentKey(key)
      const header = concat(prefix, commitment)
      const hash = sha256.create().update(header)
      yield header
      for (let chunk = 0, isLast = false; !isLast; chunk++) {
        const plaintext = await reader.read(CHUNK_BYTES)
        isLast = await reader.isAtEnd()
        const sealed = await encrypt(aesKey, layout.chunkNonce(prefix, chunk, isLast), plaintext, NO_DATA)
        hash.update(sealed)
        yield sealed
      }
      reference = { key: encodeBase64(key), size: padded.size, sha256: encodeHex(hash.digest()) }
    } finally {
      await reader.cancel()
      await source.cancel()
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

/** A file, followed by the zeros that hide its exact size. */
class PaddedFile {
  readonly #file: ByteReader
  #size = 0

  constructor(file: ByteReader) {
    this.#file = file
  }

  /** Bytes of the file that were read. */
  get size(): number {
    return this.#size
  }

  async *pieces(): AsyncGenerator<Uint8Array, void, undefined> {
    while (!(await this.#file.isAtEnd())) {
      const piece = await this.#file.read(CHUNK_BYTES)
      this.#size += piece.length
      if (this.#size > MAX_ATTACHMENT_BYTES)
        throw new CryptoError('too-large', 'The file is larger than 2^48 bytes.')
      yield piece
    }
    for (let left = padmeLength(this.#size) - this.#size; left > 0; left -= CHUNK_BYTES)
      yield new Uint8Array(Math.min(left, CHUNK_BYTES))
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
    const header = await reader.read(HEADER_BYTES)
    const chunks = new ChunkReader(reader, key, header, reference.size)
    const hash = sha256.create().update(header)
    const last = layout.chunkCount(reference.size) - 1
    for (let chunk = 0; chunk <= last; chunk++) {
      const sealed = await chunks.read(chunk)
      hash.update(sealed)
      if (chunk === last) {
        if (!(await reader.isAtEnd())) throw badAttachment('continues after its last chunk')
        if (encodeHex(hash.digest()) !== reference.sha256)
          throw badAttachment('is not the one that the message names')
      }
      const piece = await chunks.open(chunk, sealed)
      if (piece.length > 0) yield piece
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
  const header = await readAll(await read({ start: 0, end: HEADER_BYTES }), HEADER_BYTES)
  const reader = new ByteReader(await read(encrypted))
  try {
    const chunks = new ChunkReader(reader, key, header, reference.size)
    for (let chunk = first; chunk <= last; chunk++) {
      const plaintext = await chunks.open(chunk, await chunks.read(chunk))
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
