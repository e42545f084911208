import { ChatError } from '../errors.js'

/** One event of a stream, as the WHATWG standard reads it. */
export interface Frame {
  event: string
  data: string
  /** Present where the frame itself bears one. */
  id?: string
  /** Milliseconds, where the frame sets the pause before reconnecting; one that does nothing else is a `retry`. */
  retry?: number
}

/** The longest honest frame holds a statement of 160,000 characters. */
const MAX_FRAME = 2 ** 20

/** A parser of `text/event-stream` (HTML standard, section 9.2): text in, whole frames out. */
export class FrameParser {
  #rest = ''
  #lines: string[] = []
  #size = 0

  /** @throws {ChatError} `untrusted`, `malformed-answer` when a frame does not end */
  push(text: string): Frame[] {
    const frames: Frame[] = []
    this.#rest += text
    for (let at = 0; ;) {
      const end = this.#rest.indexOf('\n', at)
      if (end < 0) {
        this.#rest = this.#rest.slice(at)
        break
      }
      const line = this.#rest.slice(at, this.#rest[end - 1] === '\r' && end > at ? end - 1 : end)
      at = end + 1
      if (line === '') {
        const frame = toFrame(this.#lines)
        if (frame !== null) frames.push(frame)
        this.#lines = []
        this.#size = 0
      } else if (!line.startsWith(':')) {
        this.#lines.push(line)
        this.#size += line.length
      }
    }
    if (this.#size + this.#rest.length > MAX_FRAME)
      throw new ChatError('untrusted', 'malformed-answer', 'An event of the stream does not end.')
    return frames
  }
}

function toFrame(lines: readonly string[]): Frame | null {
  const data: string[] = []
  const frame: Frame = { event: 'message', data: '' }
  for (const line of lines) {
    const colon = line.indexOf(':')
    const name = colon < 0 ? line : line.slice(0, colon)
    const value = colon < 0 ? '' : line.slice(colon + 1).replace(/^ /, '')
    if (name === 'data') data.push(value)
    else if (name === 'event' && value !== '') frame.event = value
    else if (name === 'id' && !value.includes('\0')) frame.id = value
    else if (name === 'retry' && /^\d{1,9}$/.test(value)) frame.retry = Number(value)
  }
  if (data.length > 0) return { ...frame, data: data.join('\n') }
  return frame.retry === undefined ? null : { ...frame, event: 'retry' }
}

/**
 * The frames of an event stream, in the batches in which they arrive; empty for a keepalive.
 *
 * @param silence milliseconds without a byte after which the connection counts as dead; asked before every read
 * @throws {ChatError} `unreachable`: `silent-stream`, `broken-stream`; the signal's reason when it aborts
 */
export async function* readFrames(
  body: ReadableStream<Uint8Array>,
  silence: () => number,
  signal: AbortSignal
): AsyncGenerator<Frame[], void, undefined> {
  const parser = new FrameParser()
  const decoder = new TextDecoder()
  const reader = body.getReader()
  try {
    for (;;) {
      const { done, value } = await within(
        reader.read().catch((cause: unknown) => broken(cause, signal)),
        silence(),
        signal
      )
      if (done) return
      yield parser.push(decoder.decode(value, { stream: true }))
    }
  } finally {
    // A connection that is dead, or left in the middle, is let go of at once.
    reader.cancel().catch(() => undefined)
  }
}

function broken(cause: unknown, signal: AbortSignal): never {
  signal.throwIfAborted()
  throw new ChatError('unreachable', 'broken-stream', 'The connection to the server broke.', { cause })
}

/** What `fetch` was told of a signal it may forget once it has answered: so the signal is heard here, too. */
async function within<T>(work: Promise<T>, ms: number, signal: AbortSignal): Promise<T> {
  let end: () => void = () => undefined
  const stopped = new Promise<never>((_, reject) => {
    const late = new ChatError('unreachable', 'silent-stream', 'Nothing comes from the server any more.')
    const timer = setTimeout(() => reject(late), ms)
    const stop = (): void => reject(signal.reason as Error)
    end = () => {
      clearTimeout(timer)
      signal.removeEventListener('abort', stop)
    }
    if (signal.aborted) stop()
    else signal.addEventListener('abort', stop, { once: true })
  })
  try {
    return await Promise.race([work, stopped])
  } finally {
    end()
    // Whoever has left does not hear how the work ends.
    work.catch(() => undefined)
  }
}
