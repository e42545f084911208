import { UsageError } from '../errors.js'

/** Of one value, in characters: a page of the 200 largest messages fits. */
const LONGEST = 32 * 2 ** 20

/**
 * The JSON objects and arrays of a stream, each as soon as it is complete, whether they stand on one line or on many.
 *
 * @throws {UsageError} for anything else between them
 */
export async function* jsonValues(stream: AsyncIterable<unknown>): AsyncGenerator<unknown, void, undefined> {
  const decoder = new TextDecoder('utf-8', { fatal: true })
  let [text, at, depth, inString] = ['', 0, 0, false]
  for await (const chunk of stream) {
    text += typeof chunk === 'string' ? chunk : decode(decoder, chunk as Uint8Array)
    for (; at < text.length; at++) {
      const char = text[at]!
      if (inString) {
        if (char === '\\') at++
        else if (char === '"') inString = false
      } else if (char === '"') inString = true
      else if (char === '{' || char === '[') depth++
      else if ((char === '}' || char === ']') && --depth <= 0) {
        yield parse(text.slice(0, at + 1))
        ;[text, at, depth] = [text.slice(at + 1), -1, 0]
      }
    }
    if (text.length > LONGEST) throw new UsageError('Stdin holds a value that is larger than any message.')
  }
  if (text.trim() !== '') throw noJson()
}

function decode(decoder: InstanceType<typeof TextDecoder>, bytes: Uint8Array): string {
  try {
    return decoder.decode(bytes, { stream: true })
  } catch {
    throw new UsageError('Stdin is not text in UTF-8.')
  }
}

function parse(text: string): unknown {
  try {
    return JSON.parse(text)
  } catch {
    throw noJson()
  }
}

function noJson(): UsageError {
  return new UsageError('Stdin is not JSON.', 'It takes messages as the server serves them.')
}
