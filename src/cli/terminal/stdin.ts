import type { Readable } from 'node:stream'
import { UsageError } from '../errors.js'
import { printToStderr, readAll, type Io } from './io.js'

/** Far above the limit of a message. It is for input that never ends. */
const MAX_TEXT_BYTES = 2 ** 20
/** Characters of one line or document. A page of the 200 largest messages fits. */
const MAX_JSON_LENGTH = 32 * 2 ** 20
/** 10,000 bytes fit always, also if each takes six in JSON. */
export const TOO_LONG = 'Send its end ("… | tail -c 10000 | secure-chat send …"), or send it in parts.'

/**
 * All of stdin as text, without the line break at its end. A character that `tail -c` or `head -c` has torn at an end
 * is left out.
 */
export async function textFromStdin(io: Io): Promise<string> {
  if (io.stdin.isTTY === true) printToStderr(io, 'Type the message. End it with Ctrl-D on a line of its own.')
  const bytes = await readAll(io.stdin, MAX_TEXT_BYTES).catch((error: unknown) => {
    if (error instanceof RangeError) throw new UsageError('Stdin is too long for a message.', TOO_LONG)
    throw error
  })
  try {
    // The end of a stream that goes on may be torn.
    const decoder = new TextDecoder('utf-8', { fatal: true })
    return decoder.decode(withoutTornStart(bytes), { stream: true }).replace(/\r?\n$/, '')
  } catch {
    throw new UsageError('Stdin is not text in UTF-8.')
  }
}

/** The first line of stdin, for a secret. @throws {UsageError} if it is empty */
export async function firstLineOfStdin({ stdin }: Io): Promise<string> {
  const { value } = await lines(stdin).next()
  const line = value?.replace(/^\uFEFF/, '').trim()
  if (!line) throw new UsageError('The first line of stdin is empty.')
  return line
}

/** A character has at most three bytes behind its first one. */
function withoutTornStart(bytes: Buffer): Buffer {
  let torn = 0
  while (torn < 3 && (bytes[torn]! & 0xc0) === 0x80) torn++
  return bytes.subarray(torn)
}

/**
 * JSON values from stdin, each as soon as its last line is complete: one on each line (NDJSON), or over
 * several lines of which only the first and the last are not indented, as `jq` writes them.
 */
export async function* jsonFromStdin(stdin: Readable): AsyncGenerator<unknown, void, undefined> {
  let document = ''
  for await (const line of lines(stdin)) {
    if (document === '' && line.trim() === '') continue
    document = appended(document, `${line}\n`)
    // Not at every line: that would parse a long document again and again.
    const value = /^\S/.test(line) ? parseJson(document) : undefined
    if (value !== undefined) {
      yield value
      document = ''
    } else if (!/^\s*[[{]/.test(document)) throw notJson()
  }
  if (document === '') return
  const value = parseJson(document)
  if (value === undefined) throw notJson()
  yield value
}

function notJson(): UsageError {
  return new UsageError('Stdin is not JSON.', 'It takes messages as the server serves them.')
}

/** The lines of a stream, each as soon as it is complete. */
async function* lines(stream: Readable): AsyncGenerator<string, void, undefined> {
  const decoder = new TextDecoder('utf-8', { fatal: true })
  let rest = ''
  for await (const bytes of stream) {
    const text = decoded(decoder, bytes as Uint8Array)
    rest = appended(rest, text)
    if (!text.includes('\n')) continue
    const complete = rest.split('\n')
    rest = complete.pop()!
    yield* complete
  }
  yield rest + decoded(decoder)
}

/** @param bytes absent at the end of the stream */
function decoded(decoder: InstanceType<typeof TextDecoder>, bytes?: Uint8Array): string {
  try {
    return decoder.decode(bytes, { stream: bytes !== undefined })
  } catch {
    throw new UsageError('Stdin is not text in UTF-8.')
  }
}

function appended(text: string, more: string): string {
  if (text.length + more.length <= MAX_JSON_LENGTH) return text + more
  throw new UsageError('Stdin holds a value that is larger than any message.')
}

function parseJson(text: string): unknown {
  try {
    return JSON.parse(text)
  } catch {
    return undefined
  }
}
