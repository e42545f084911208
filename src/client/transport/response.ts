import { ChatError, RefusedError } from '../errors.js'

/**
 * No honest answer is larger. A page of a chain has 512 KiB of statements, or one request, whose key names the chains
 * of 1,024 members in 118 KiB; one of session keys with as many later wraps
 * as there may be has 3 MiB. An answer of this size is parsed without a pause that anybody notices.
 */
const MAX_RESPONSE_BYTES = 4 * 2 ** 20

export async function refusal(response: Response): Promise<ChatError> {
  const { body } = await readJson(response).catch(() => ({ body: {} }))
  const problem = typeof body === 'object' && body !== null ? (body as Record<string, unknown>) : {}
  const seconds = Number(response.headers.get('retry-after') ?? NaN)
  const retryAfter = Number.isFinite(seconds) && seconds >= 0 ? seconds * 1000 : null
  return new RefusedError(response.status, problem, retryAfter)
}

/** @returns the value, and the bytes of its text */
export async function readJson(
  response: Response,
  maxBytes?: number
): Promise<{ body: unknown; size: number }> {
  const type = response.headers.get('content-type') ?? ''
  if (!/^application\/([a-z.-]+\+)?json\b/i.test(type))
    throw new ChatError('unreachable', 'not-the-server', `What answered is no Secure Chat server (${type}).`)
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
  for await (const chunk of response.body ?? []) {
    size += chunk.length
    if (size > maxBytes)
      throw new ChatError('untrusted', 'malformed-answer', 'The server’s answer is larger than any may be.')
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
