import { ChatError, problemCode, RefusedError } from '../errors.js'

/**
 * No honest answer is larger: all end before 1 MiB or soon after it. An answer of this size is parsed without a pause
 * that anybody notices.
 */
const MAX_RESPONSE_BYTES = 4 * 2 ** 20

/** The media types of the server's answers. An answer of another type is not the server's. */
export const JSON_TYPE = /^application\/json\b/i
export const BYTES_TYPE = /^application\/octet-stream\b/i
export const STREAM_TYPE = /^text\/event-stream\b/i
export const LINES_TYPE = /^application\/x-ndjson\b/i
const PROBLEM_TYPE = /^application\/problem\+json\b/i

/**
 * Proxies, filters and log-in pages answer in the server's place. Only a problem document of this API is a refusal,
 * and only the type that the server answers with is an answer: nothing else says what became of a request.
 *
 * @throws {ChatError} what the answer means, unless it is a 2xx of this type
 */
export async function requireAnswer(response: Response, type: RegExp): Promise<void> {
  if (response.ok && type.test(typeOf(response))) return
  const problem = PROBLEM_TYPE.test(typeOf(response)) && (await readJson(response).catch(() => null))
  await response.body?.cancel().catch(() => undefined)
  if (response.ok || !problem || problemCode(problem.body) === null) throw notTheServer(response)
  const seconds = Number(response.headers.get('retry-after') ?? NaN)
  const retryAfter = Number.isFinite(seconds) && seconds >= 0 ? seconds * 1000 : null
  throw new RefusedError(response.status, problem.body as Record<string, unknown>, retryAfter)
}

/** What the server answers with if it has nothing to say, or nothing that is read. */
export async function requireDone(response: Response): Promise<void> {
  const isEmpty = typeOf(response) === '' && response.status !== 200
  await requireAnswer(response, isEmpty ? /^$/ : JSON_TYPE)
  await response.body?.cancel()
}

function typeOf({ headers }: Response): string {
  return headers.get('content-type') ?? ''
}

function notTheServer({ status, type, headers, url }: Response): ChatError {
  const to = headers.get('location') ?? ''
  const target = URL.canParse(to, url) ? new URL(to, url) : null
  const what =
    type === 'opaqueredirect' || (status >= 300 && status < 400)
      ? `a redirect${target === null ? '' : ` to ${target.origin}${target.pathname}`.slice(0, 200)}`
      : `status ${status}`
  const hint =
    status >= 502 && status <= 504
      ? 'A proxy answers in its place: the server behind it is down, or is starting.'
      : 'Is the address right? A proxy, a filter or the log-in page of a network may stand in between.'
  const message = `What answered is not the chat server (${what}).`
  return new ChatError('unreachable', 'not-the-server', message, { hint })
}

/** @returns the value, and the bytes of its text */
export async function readJson(
  response: Response,
  maxBytes?: number
): Promise<{ body: unknown; size: number }> {
  const bytes = await readBytes(response, maxBytes)
  try {
    const body: unknown = JSON.parse(new TextDecoder('utf-8', { fatal: true }).decode(bytes))
    return { body, size: bytes.length }
  } catch (cause) {
    throw new ChatError('untrusted', 'malformed-answer', 'The server’s answer is no JSON.', { cause })
  }
}

export async function readBytes(response: Response, maxBytes = MAX_RESPONSE_BYTES): Promise<Uint8Array> {
  const chunks: Uint8Array[] = []
  let size = 0
  // Not every browser can iterate a stream.
  const reader = response.body?.getReader()
  for (;;) {
    const chunk = (await reader?.read())?.value
    if (chunk === undefined) break
    size += chunk.length
    if (size > maxBytes) {
      await reader!.cancel().catch(() => undefined)
      throw new ChatError('untrusted', 'malformed-answer', 'The server’s answer is larger than any may be.')
    }
    chunks.push(chunk)
  }
  const whole = new Uint8Array(size)
  let at = 0
  for (const chunk of chunks) {
    whole.set(chunk, at)
    at += chunk.length
  }
  return whole
}
