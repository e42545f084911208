import { TAG_BYTES } from './aes-gcm.js'
import { CryptoError } from './errors.js'

/**
 * Layout of an encrypted attachment (docs/protocol.md, "Attachment"): a prefix, then the chunks, each with
 * its tag.
 */
export const PREFIX_BYTES = 7
/** Bytes of the file in each chunk. The last one may have fewer, and none if the file is empty. */
export const CHUNK_BYTES = 65_536
const SEALED_CHUNK_BYTES = CHUNK_BYTES + TAG_BYTES
/** The nonce numbers chunks with four bytes. */
export const MAX_CHUNKS = 2 ** 32
/** Largest file in bytes. */
export const MAX_ATTACHMENT_BYTES = MAX_CHUNKS * CHUNK_BYTES

export function chunkCount(size: number): number {
  return Math.max(1, Math.ceil(size / CHUNK_BYTES))
}

/** Size in bytes of the encrypted form of a file of `size` bytes. */
export function encryptedSize(size: number): number {
  return PREFIX_BYTES + size + chunkCount(size) * TAG_BYTES
}

/**
 * The nonce of a chunk: the STREAM construction (Hoang, Reyhanitabar, Rogaway, Vizár 2015).
 *
 * @param chunk counts from 0
 */
export function chunkNonce(prefix: Uint8Array, chunk: number, isLast: boolean): Uint8Array {
  const nonce = new Uint8Array(PREFIX_BYTES + 5)
  nonce.set(prefix)
  new DataView(nonce.buffer).setUint32(PREFIX_BYTES, chunk)
  nonce[PREFIX_BYTES + 4] = isLast ? 1 : 0
  return nonce
}

/** A part of a file in bytes; `end` is exclusive. */
export interface ByteRange {
  readonly start: number
  readonly end: number
}

/** The chunks that hold a range of the file, `last` included, and their place in the ciphertext. */
interface ChunkSpan {
  readonly first: number
  readonly last: number
  readonly encrypted: ByteRange
}

/**
 * Find the chunks that hold a range of a file of `size` bytes.
 *
 * @throws {CryptoError} `bad-range` if the range is empty or not within the file
 */
export function chunkSpan({ start, end }: ByteRange, size: number): ChunkSpan {
  if (!Number.isSafeInteger(start) || !Number.isSafeInteger(end) || start < 0 || start >= end || end > size)
    throw new CryptoError('bad-range', `${start}–${end} is not a range within a file of ${size} bytes.`)
  const first = Math.floor(start / CHUNK_BYTES)
  const last = Math.floor((end - 1) / CHUNK_BYTES)
  const encrypted = {
    start: PREFIX_BYTES + first * SEALED_CHUNK_BYTES,
    end: Math.min(PREFIX_BYTES + (last + 1) * SEALED_CHUNK_BYTES, encryptedSize(size))
  }
  return { first, last, encrypted }
}
