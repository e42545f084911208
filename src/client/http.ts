import type { Static, TSchema } from 'typebox'
import { ChatError } from './errors.js'
import { checked } from './wire.js'

/** Of an answer at most; the largest honest one is a page of 200 long statements. */
const MAX_ANSWER_BYTES = 64 * 2 ** 20
const TRIES = 5
/** Longer than this nobody waits within a call: the caller is told. */
const LONGEST_PAUSE_MS = 20_000
const FIRST_PAUSE_MS = 250

export interface Request<S extends TSchema = TSchema> {
  method: 'GET' | 'POST' | 'PUT' | 'DELETE'
  /** With its query, below the server's address. */
  path: string
  body?: unknown
  headers?: Record<string, string>
  token?: string
  /** What a 2xx answer must be; without it the body is not read. */
  answer?: S
  /** The same request again would do harm. With few it does, since ids are made by clients. */
  once?: boolean
  signal?: AbortSignal
}

export interface Answer<T> {
  status: number
  body: T
  headers: Headers
}

export interface HttpOptions {
  url: string
  fetch: typeof globalThis.fetch
  random: () => number
  timeout: number
  userAgent: string | undefined
}

/** A refusal, with the members that its problem document adds: `head`, `statements`, `conversationId`, … */
export class RefusedError extends ChatError {
  readonly members: Readonly<Record<string, unknown>>
  /** Milliseconds after which the server wants to be asked again. */
  readonly retryAfter: number | null

  constructor(status: number, problem: Record<string, unknown>, retryAfter: number | null) {
    const { type, detail } = problem
    const code = typeof type === 'string' ? type.replace(/^.*\//, '').slice(0, 64) : `status-${status}`
    const message = typeof detail === 'string' ? detail.slice(0, 1000) : `The server answered ${status}.`
    super('refused', code, message, { status })
    this.members = problem
    this.retryAfter = retryAfter
  }
}

/** HTTP as the SDK needs it: JSON, time-outs, bounded answers, retries where they are harmless, one kind of error. */
export class Http {
  readonly #options: HttpOptions
  readonly #closed = new AbortController()

  constructor(options: HttpOptions) {
    if (!/^https?:\/\/[^?#]+$/.test(options.url) || !URL.canParse(options.url))
      throw new ChatError('usage', 'invalid-url', `${options.url} is not the address of a server.`)
    this.#options = { ...options, url: options.url.replace(/\/+$/, '') }
  }

  close(): void {
    this.#closed.abort(new ChatError('usage', 'closed', 'The client is closed.'))
  }

  /** Aborts when the client is closed. */
  get closed(): AbortSignal {
    return this.#closed.signal
  }

  /**
   * @throws {RefusedError} for a 4xx answer; {ChatError} `unreachable` when no answer comes, or only 5xx, and
   *   `untrusted` for one that does not have its form
   */
  async call<S extends TSchema>(request: Request<S>): Promise<Answer<Static<S>>> {
    for (let attempt = 1; ; attempt++) {
      try {
        return await this.#once(request)
      } catch (error) {
        const pause = attempt < TRIES ? this.#pauseAfter(error, request, attempt) : null
        if (pause === null) throw error
        const wait = linked([request.signal, this.#closed.signal])
        await sleep(pause, wait.signal).finally(() => wait.unlink())
      }
    }
  }

  /** An answer whose body is read by the caller, such as an event stream. `close` has to be called in the end. */
  async open(request: Request): Promise<{ response: Response; close: () => void }> {
    const end = linked([request.signal, this.#closed.signal])
    const timer = setTimeout(() => end.abort(timedOut()), this.#options.timeout)
    try {
      const response = await this.#fetch(request, end.signal)
      if (!response.ok) throw await refusal(response)
      const close = (): void => {
        end.unlink()
        end.abort()
      }
      return { response, close }
    } catch (error) {
      end.unlink()
      throw error
    } finally {
      clearTimeout(timer)
    }
  }

  async #once<S extends TSchema>(request: Request<S>): Promise<Answer<Static<S>>> {
    const end = linked([request.signal, this.#closed.signal])
    const timer = setTimeout(() => end.abort(timedOut()), this.#options.timeout)
    try {
      const response = await this.#fetch(request, end.signal)
      if (!response.ok) throw await refusal(response)
      const { status, headers } = response
      if (request.answer === undefined || status === 204) {
        await response.body?.cancel()
        return { status, headers, body: null as Static<S> }
      }
      const what = `${request.method} ${request.path.replace(/\?.*/, '')}`
      return { status, headers, body: checked(request.answer, await readJson(response), what) }
    } catch (error) {
      throw explained(error, end.signal)
    } finally {
      clearTimeout(timer)
      end.unlink()
    }
  }

  async #fetch({ method, path, body, headers, token }: Request, signal: AbortSignal): Promise<Response> {
    const { fetch, url, userAgent } = this.#options
    const init = {
      method,
      signal,
      headers: {
        accept: 'application/json',
        ...(body !== undefined && { 'content-type': 'application/json' }),
        ...(token !== undefined && { authorization: `Bearer ${token}` }),
        ...(userAgent !== undefined && { 'user-agent': userAgent }),
        ...headers
      },
      ...(body !== undefined && { body: body instanceof Uint8Array ? body : JSON.stringify(body) }),
      // A token goes nowhere but to the server that it is for.
      redirect: 'error' as const,
      credentials: 'omit' as const,
      cache: 'no-store' as const
    }
    try {
      return await fetch(url + path, init)
    } catch (error) {
      throw explained(error, signal)
    }
  }

  /** Milliseconds to wait before trying again; null to give up. */
  #pauseAfter(error: unknown, { once = false }: Request, attempt: number): number | null {
    if (!(error instanceof ChatError)) return null
    const asked = error instanceof RefusedError ? error.retryAfter : null
    const refusedForNow = error instanceof RefusedError && error.status === 429
    if (!refusedForNow && (once || !(error.kind === 'unreachable' || isPassing(error)))) return null
    const least = asked ?? FIRST_PAUSE_MS * 2 ** (attempt - 1)
    if (least > LONGEST_PAUSE_MS) return null
    return least + this.#options.random() * Math.max(least / 2, FIRST_PAUSE_MS)
  }
}

/** Whether a refusal says nothing about the request itself. */
export function isPassing(error: unknown): boolean {
  return (
    error instanceof ChatError && error.status !== undefined && (error.status >= 500 || error.status === 408)
  )
}

/** What aborted the request, if something did, else that the server can't be reached. */
function explained(error: unknown, signal: AbortSignal): unknown {
  if (error instanceof ChatError) return error
  return signal.aborted ? signal.reason : unreachable(error)
}

/** Aborts with the first of the signals. `unlink` lets go of them, since some live long. */
function linked(signals: readonly (AbortSignal | undefined)[]): AbortController & { unlink: () => void } {
  const controller = new AbortController()
  const given = signals.filter((signal) => signal !== undefined)
  const stop = (): void => controller.abort(given.find((signal) => signal.aborted)?.reason)
  for (const signal of given) signal.addEventListener('abort', stop, { once: true })
  if (given.some((signal) => signal.aborted)) stop()
  const unlink = () => given.forEach((signal) => signal.removeEventListener('abort', stop))
  return Object.assign(controller, { unlink })
}

function timedOut(): ChatError {
  return new ChatError('unreachable', 'timeout', 'The server did not answer in time.')
}

function unreachable(cause: unknown): ChatError {
  return new ChatError('unreachable', 'no-connection', 'The server can’t be reached.', {
    cause,
    hint: 'Is the address right, and the network up?'
  })
}

async function refusal(response: Response): Promise<ChatError> {
  const body = await readJson(response).catch(() => ({}))
  const problem = typeof body === 'object' && body !== null ? (body as Record<string, unknown>) : {}
  const seconds = Number(response.headers.get('retry-after') ?? NaN)
  const retryAfter = Number.isFinite(seconds) && seconds >= 0 ? seconds * 1000 : null
  return new RefusedError(response.status, problem, retryAfter)
}

async function readJson(response: Response): Promise<unknown> {
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

async function readBytes(response: Response): Promise<Uint8Array> {
  const chunks: Uint8Array[] = []
  let size = 0
  for await (const chunk of response.body ?? []) {
    size += (chunk as Uint8Array).length
    if (size > MAX_ANSWER_BYTES)
      throw new ChatError('untrusted', 'malformed-answer', 'The server’s answer is larger than any may be.')
    chunks.push(chunk as Uint8Array)
  }
  const whole = new Uint8Array(size)
  let at = 0
  for (const chunk of chunks) {
    whole.set(chunk, at)
    at += chunk.length
  }
  return whole
}

/** @throws the signal's reason as soon as it aborts */
export function sleep(ms: number, signal: AbortSignal): Promise<void> {
  return new Promise((resolve, reject) => {
    const stop = (): void => {
      clearTimeout(timer)
      reject(signal.reason as Error)
    }
    const timer = setTimeout(() => {
      signal.removeEventListener('abort', stop)
      resolve()
    }, ms)
    if (signal.aborted) stop()
    else signal.addEventListener('abort', stop, { once: true })
  })
}
