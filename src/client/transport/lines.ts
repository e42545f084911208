import { untrusted } from '../errors.js'
import { broken, within } from './sse.js'

/** Characters of a line. The longest honest one is a key backup of 1 MiB, in base64. */
const MAX_LINE = 2 ** 21

/**
 * The lines of a response, as they arrive.
 *
 * @param silence milliseconds without a byte after which the connection counts as dead
 * @throws {ChatError} `unreachable`: `silent-stream`, `broken-stream`; `malformed-answer` (`untrusted`); the signal's
 *   reason when it aborts
 */
export async function* readLines(
  body: ReadableStream<Uint8Array>,
  silence: number,
  signal: AbortSignal
): AsyncGenerator<string, void, undefined> {
  const reader = body.getReader()
  const decoder = new TextDecoder()
  let rest = ''
  try {
    for (;;) {
      const read = reader.read().catch((cause: unknown) => broken(cause, signal))
      const { done, value } = await within(read, silence, signal)
      if (done) return
      const lines = (rest + decoder.decode(value, { stream: true })).split('\n')
      rest = lines.pop()!
      if (rest.length > MAX_LINE) throw untrusted('malformed-answer', 'A line of the answer does not end.')
      yield* lines
    }
  } finally {
    // Closes the connection if its reader stopped early.
    reader.cancel().catch(() => undefined)
  }
}
