import { createParser } from 'eventsource-parser'
import { ChatError } from '../errors.js'
import { follow } from './abort.js'

/** One event of a stream. */
export interface Frame {
  /** The event's type: `message` unless the stream names one, `retry` for a new pause before reconnecting. */
  event: string
  data: string
  /** Absent unless this very event has an id. */
  id?: string
  /** Milliseconds to wait before reconnecting; only in a `retry`. */
  retry?: number
}

/**
 * Characters of an event's data and of an unfinished line. The longest valid event holds a statement of
 * 160,000.
 */
const MAX_FRAME = 2 ** 20
/**
 * Characters that are parsed at once. With a CR among them, the parser's work grows with the square of their
 * number.
 */
const MAX_PIECE = 2 ** 14

/** Parses `text/event-stream` (HTML standard, section 9.2) as it arrives: text in, complete events out. */
export class FrameParser {
  #frames: Frame[] = []
  readonly #parser = createParser({
    maxBufferSize: MAX_FRAME,
    onEvent: ({ event = 'message', data, id }) =>
      this.#frames.push({ event, data, ...(id !== undefined && { id }) }),
    onRetry: (retry) => this.#frames.push({ event: 'retry', data: '', retry }),
    onError: ({ type }) => {
      // The standard ignores all other errors, such as unknown fields.
      if (type === 'max-buffer-size-exceeded')
        throw new ChatError('untrusted', 'malformed-answer', 'An event of the stream does not end.')
    }
  })

  /**
   * @throws {ChatError} `untrusted`, `malformed-answer` when an event has more than 2^20 characters and no
   *   end
   */
  push(text: string): Frame[] {
    this.#frames = []
    for (let at = 0; at < text.length; at += MAX_PIECE) this.#parser.feed(text.slice(at, at + MAX_PIECE))
    return this.#frames
  }
}

/**
 * The events of a stream, in the batches in which they arrive. A batch without events is a keep-alive.
 *
 * @param silence milliseconds without a byte after which the connection counts as dead; called before every
 *   read
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
    // Closes a connection that is dead, or whose reader stopped early.
    reader.cancel().catch(() => undefined)
  }
}

export function broken(cause: unknown, signal: AbortSignal): never {
  signal.throwIfAborted()
  throw new ChatError('unreachable', 'broken-stream', 'The connection to the server broke.', { cause })
}

/**
 * `fetch` may stop observing its AbortSignal once the headers have arrived, so the reader observes it too.
 */
export async function within<T>(work: Promise<T>, ms: number, signal: AbortSignal): Promise<T> {
  let end: () => void = () => undefined
  const stopped = new Promise<never>((_, reject) => {
    const late = new ChatError('unreachable', 'silent-stream', 'Nothing comes from the server any more.')
    const timer = setTimeout(() => reject(late), ms)
    const stop = (): void => reject(signal.reason as Error)
    end = () => {
      clearTimeout(timer)
      unfollow()
    }
    const unfollow = follow(signal, stop)
    if (signal.aborted) stop()
  })
  try {
    return await Promise.race([work, stopped])
  } finally {
    end()
    // Nobody awaits the work after a timeout or an abort: its failure must not become an unhandled rejection.
    work.catch(() => undefined)
  }
}
