/** Where bytes stream from: a `ReadableStream`, a Node.js stream, an async generator, in pieces of any size. */
export type ByteSource = AsyncIterable<Uint8Array> | ReadableBytes

/** What a `ReadableStream` has everywhere, even where it can't be iterated. */
interface ReadableBytes {
  getReader(): {
    read(): Promise<{ done: boolean; value?: Uint8Array | undefined }>
    cancel(): Promise<void>
  }
}

/** Takes bytes from a source in pieces of the size that is asked for. Holds one piece of the source at most. */
export class ByteReader {
  readonly #next: () => Promise<Uint8Array | undefined>
  readonly #cancel: () => Promise<unknown>
  #piece: Uint8Array = new Uint8Array()
  #over = false

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

  /** The next `length` bytes, fewer only at the end of the source. */
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
    while (this.#piece.length === 0 && !this.#over) {
      const piece = await this.#next()
      if (piece === undefined) this.#over = true
      else if (piece instanceof Uint8Array) this.#piece = piece
      else throw new TypeError('A source of bytes must give Uint8Arrays.')
    }
    return this.#piece.length === 0
  }

  /** Tell the source that no more is wanted. Whether it minds is its own affair, and no failure. */
  async cancel(): Promise<void> {
    if (this.#over) return
    this.#over = true
    await this.#cancel().catch(() => undefined)
  }
}
