import { TAG_BYTES } from './aes-gcm.js'
import { CryptoError } from './errors.js'
import { padmeLength } from './padding.js'

/**
 * Layout of an encrypted attachment (docs/protocol.md, "Attachment"): a prefix, the commitment of the key,
 * then the chunks, each with its tag. The file is padded with zeros before it is cut into chunks.
 */
export const PREFIX_BYTES = 7
/** Bytes before the first chunk: prefix and commitment. */
export const HEADER_BYTES = PREFIX_BYTES + 32
/** Bytes of the padded file in each chunk. The last one may have fewer. */
export const CHUNK_BYTES = 65_536
const SEALED_CHUNK_BYTES = CHUNK_BYTES + TAG_BYTES
/** The nonce numbers chunks with four bytes. */
export const MAX_CHUNKS = 2 ** 32
/** Largest file in bytes: 2^48, a size that needs no padding. */
export const MAX_ATTACHMENT_BYTES = MAX_CHUNKS * CHUNK_BYTES

/** The number of chunks of a file of `size` bytes. */
export function chunkCount(size: number): number {
  return Math.ceil(padmeLength(size) / CHUNK_BYTES)
}

/** Bytes of chunk `chunk` of a file of `size` bytes, with its padding and its tag. */
export function sealedChunkBytes(chunk: number, size: number): number {
  return Math.min(CHUNK_BYTES, padmeLength(size) - chunk * CHUNK_BYTES) + TAG_BYTES
}

/** Size in bytes of the encrypted form of a file of `size` bytes. */
export function encryptedSize(size: number): number {
  return HEADER_BYTES + padmeLength(size) + chunkCount(size) * TAG_BYTES
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
    start: HEADER_BYTES + first * SEALED_CHUNK_BYTES,
    end: Math.min(HEADER_BYTES + (last + 1) * SEALED_CHUNK_BYTES, encryptedSize(size))
  }
  return { first, last, encrypted }
}
