import { TAG_BYTES } from './aes-gcm.js'
import { CryptoError } from './errors.js'

/** How an attachment's bytes lie (protocol, "Attachment"): the prefix, then the chunks, each with its tag. */
export const PREFIX_BYTES = 7
/** Bytes of the file in every chunk but the last, which has 1 to as many, or none if the file is empty. */
export const CHUNK_BYTES = 65_536
export const SEALED_CHUNK_BYTES = CHUNK_BYTES + TAG_BYTES
/** Chunks are numbered in four bytes. */
export const MAX_CHUNKS = 2 ** 32
/** Bytes of the largest file. */
export const MAX_ATTACHMENT_BYTES = MAX_CHUNKS * CHUNK_BYTES

export function chunkCount(size: number): number {
  return Math.max(1, Math.ceil(size / CHUNK_BYTES))
}

/** How many bytes a file of `size` bytes has when it is encrypted. */
export function encryptedSize(size: number): number {
  return PREFIX_BYTES + size + chunkCount(size) * TAG_BYTES
}

/** The nonce of the STREAM construction: prefix, number of the chunk from 0, and whether it is the last one. */
export function chunkNonce(prefix: Uint8Array, chunk: number, isLast: boolean): Uint8Array {
  const nonce = new Uint8Array(PREFIX_BYTES + 5)
  nonce.set(prefix)
  new DataView(nonce.buffer).setUint32(PREFIX_BYTES, chunk)
  nonce[PREFIX_BYTES + 4] = isLast ? 1 : 0
  return nonce
}

/** Part of a file, in bytes: from `start`, up to and without `end`. */
export interface ByteRange {
  readonly start: number
  readonly end: number
}

/** The chunks in which a range of the file lies, the last one included, and where they lie in the ciphertext. */
export interface ChunkSpan {
  readonly first: number
  readonly last: number
  readonly encrypted: ByteRange
}

/** @throws {CryptoError} `bad-range` unless the range has bytes and lies within the file */
export function chunkSpan({ start, end }: ByteRange, size: number): ChunkSpan {
  if (!Number.isSafeInteger(start) || !Number.isSafeInteger(end) || start < 0 || start >= end || end > size)
    throw new CryptoError('bad-range', `${start}–${end} is no range of a file of ${size} bytes.`)
  const first = Math.floor(start / CHUNK_BYTES)
  const last = Math.floor((end - 1) / CHUNK_BYTES)
  const encrypted = {
    start: PREFIX_BYTES + first * SEALED_CHUNK_BYTES,
    end: Math.min(PREFIX_BYTES + (last + 1) * SEALED_CHUNK_BYTES, encryptedSize(size))
  }
  return { first, last, encrypted }
}
