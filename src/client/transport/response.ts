import { ChatError, RefusedError } from '../errors.js'

/** The largest honest response is a page of 200 long statements. */
const MAX_RESPONSE_BYTES = 64 * 2 ** 20

export async function refusal(response: Response): Promise<ChatError> {
  const body = await readJson(response).catch(() => ({}))
  const problem = typeof body === 'object' && body !== null ? (body as Record<string, unknown>) : {}
  const seconds = Number(response.headers.get('retry-after') ?? NaN)
  const retryAfter = Number.isFinite(seconds) && seconds >= 0 ? seconds * 1000 : null
  return new RefusedError(response.status, problem, retryAfter)
}

export async function readJson(response: Response): Promise<unknown> {
  const type = response.headers.get('content-type') ?? ''
  if (!/^application\/([a-z.-]+\+)?json\b/i.test(type))
    throw new ChatError('unreachable', 'not-the-server', `What answered is no Secure Chat server (${type}).`)
  const bytes = await readBytes(response)
  try {
    return JSON.parse(new TextDecoder('utf-8', { fatal: true }).decode(bytes)) as unknown
  } catch (cause) {
    throw new ChatError('untrusted', 'malformed-answer', 'The server’s answer is no JSON.', { cause })
  }
}

export async function readBytes(response: Response): Promise<Uint8Array> {
  const chunks: Uint8Array[] = []
  let size = 0
  for await (const chunk of response.body ?? []) {
    size += chunk.length
    if (size > MAX_RESPONSE_BYTES)
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
