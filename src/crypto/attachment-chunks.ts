import { decrypt } from './aes-gcm.js'
import {
  CHUNK_BYTES,
  chunkCount,
  chunkNonce,
  HEADER_BYTES,
  PREFIX_BYTES,
  sealedChunkBytes
} from './attachment-layout.js'
import type { AttachmentKey } from './attachment-reference.js'
import type { ByteReader } from './byte-reader.js'
import { equalBytes } from './encoding.js'
import { CryptoError } from './errors.js'

const NO_DATA = new Uint8Array()

/** The attachment differs from the one that the message names. */
export function badAttachment(what: string, options?: ErrorOptions): CryptoError {
  return new CryptoError('bad-attachment', `The attachment ${what}.`, options)
}

/** Reads and opens the chunks of a stored attachment. */
export class ChunkReader {
  readonly #source: ByteReader
  readonly #key: AttachmentKey
  readonly #prefix: Uint8Array
  readonly #size: number

  /**
   * @param header the stored bytes before the chunks
   * @param size of the file in bytes
   * @throws {CryptoError} `wrong-commitment` if it is stored under another key; `bad-attachment` if the header
   *   is cut
   */
  constructor(source: ByteReader, key: AttachmentKey, header: Uint8Array, size: number) {
    if (header.length < HEADER_BYTES) throw badAttachment('ends too early')
    if (!equalBytes(header.subarray(PREFIX_BYTES), key.commitment))
      throw new CryptoError('wrong-commitment', 'The attachment is stored under another key.')
    this.#source = source
    this.#key = key
    this.#prefix = header.subarray(0, PREFIX_BYTES)
    this.#size = size
  }

  /** Read the next chunk with its tag. The size of the file determines its length. */
  async read(chunk: number): Promise<Uint8Array> {
    const length = sealedChunkBytes(chunk, this.#size)
    const sealed = await this.#source.read(length)
    if (sealed.length < length) throw badAttachment('ends too early')
    return sealed
  }

  /** The bytes of the file in a chunk, none if it is only padding. */
  async open(chunk: number, sealed: Uint8Array): Promise<Uint8Array> {
    const isLast = chunk === chunkCount(this.#size) - 1
    let plaintext: Uint8Array
    try {
      plaintext = await decrypt(this.#key.aesKey, chunkNonce(this.#prefix, chunk, isLast), sealed, NO_DATA)
    } catch (cause) {
      throw badAttachment(`was altered in chunk ${chunk}`, { cause })
    }
    const end = Math.max(0, this.#size - chunk * CHUNK_BYTES)
    if (plaintext.subarray(end).some((byte) => byte !== 0)) throw badAttachment('is not padded with zeros')
    return plaintext.subarray(0, end)
  }
}
