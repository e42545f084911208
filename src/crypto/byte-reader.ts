/** A stream of bytes in pieces of any size: a `ReadableStream`, a Node.js stream or an async generator. */
export type ByteSource = AsyncIterable<Uint8Array> | ReadableBytes

/** The part of `ReadableStream` that all platforms have. Some cannot iterate one. */
interface ReadableBytes {
  getReader(): {
    read(): Promise<{ done: boolean; value?: Uint8Array | undefined }>
    cancel(): Promise<void>
  }
}

/** Reads a source in pieces of a given size. Holds at most one piece of the source in memory. */
export class ByteReader {
  readonly #next: () => Promise<Uint8Array | undefined>
  readonly #cancel: () => Promise<unknown>
  #piece: Uint8Array = new Uint8Array()
  #ended = false

  constructor(source: ByteSource) {
    if (Symbol.asyncIterator in source) {
      const iterator = source[Symbol.asyncIterator]()
      this.#next = async () => {
        const result = await iterator.next()
        return result.done === true ? undefined : result.value
      }
      this.#cancel = async () => iterator.return?.()
    } else {
      const reader = source.getReader()
      this.#next = async () => {
        const { done, value } = await reader.read()
        return done ? undefined : value
      }
      this.#cancel = () => reader.cancel()
    }
  }

  /** The next `length` bytes; fewer at the end of the source. */
  async read(length: number): Promise<Uint8Array> {
    const bytes = new Uint8Array(length)
    let at = 0
    while (at < length && !(await this.isAtEnd())) {
      const part = this.#piece.subarray(0, length - at)
      bytes.set(part, at)
      at += part.length
      this.#piece = this.#piece.subarray(part.length)
    }
    return at === length ? bytes : bytes.slice(0, at)
  }

  async isAtEnd(): Promise<boolean> {
    while (this.#piece.length === 0 && !this.#ended) {
      const piece = await this.#next()
      if (piece === undefined) this.#ended = true
      else if (piece instanceof Uint8Array) this.#piece = piece
      else throw new TypeError('A source of bytes must yield Uint8Arrays.')
    }
    return this.#piece.length === 0
  }

  /**
   * Tell the source that no more bytes are needed. Its errors are ignored: the reader has all that it wants.
   */
  async cancel(): Promise<void> {
    if (this.#ended) return
    this.#ended = true
    await this.#cancel().catch(() => undefined)
  }
}
