import type { Static, TSchema } from 'typebox'
import { readBytes, readJson, refusal } from './response.js'
import { ChatError, RefusedError, isTransient } from '../errors.js'
import { linked, sleep } from './abort.js'
import { unshared } from '../../crypto/web-crypto.js'
import { checked } from './response-schema.js'

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
  /** What a 2xx answer must hold; without it the body is not read. */
  response?: S
  /** The same request again would do harm. With few it does, since ids are made by clients. */
  once?: boolean
  signal?: AbortSignal
}

export interface ApiResponse<T> {
  status: number
  body: T
  headers: Headers
}

export interface OpenResponse {
  response: Response
  /** Has to be called in the end. */
  close: () => void
}

export interface HttpOptions {
  url: string
  fetch: typeof globalThis.fetch
  random: () => number
  timeout: number
  userAgent: string | undefined
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
  async call<S extends TSchema>(request: Request<S>): Promise<ApiResponse<Static<S>>> {
    const { method, path, response: answer } = request
    return this.#tried(request, async (response) => {
      if (answer !== undefined)
        return checked(answer, await readJson(response), `${method} ${path.replace(/\?.*/, '')}`)
      await response.body?.cancel()
      return null as Static<S>
    })
  }

  async #tried<T>(request: Request, read: (response: Response) => Promise<T>): Promise<ApiResponse<T>> {
    for (let attempt = 1; ; attempt++) {
      try {
        return await this.#once(request, read)
      } catch (error) {
        const pause = attempt < TRIES ? this.#pauseAfter(error, request, attempt) : null
        if (pause === null) throw error
        const wait = linked([request.signal, this.#closed.signal])
        await sleep(pause, wait.signal).finally(() => wait.unlink())
      }
    }
  }

  /** The same for an answer of bytes. */
  async bytes(request: Omit<Request, 'response'>): Promise<ApiResponse<Uint8Array>> {
    return this.#tried(request, (response) => readBytes(response))
  }

  /** A response whose body the caller reads, such as an event stream. */
  async open(request: Request): Promise<OpenResponse> {
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

  async #once<T>(request: Request, read: (response: Response) => Promise<T>): Promise<ApiResponse<T>> {
    const end = linked([request.signal, this.#closed.signal])
    const timer = setTimeout(() => end.abort(timedOut()), this.#options.timeout)
    try {
      const response = await this.#fetch(request, end.signal)
      if (!response.ok) throw await refusal(response)
      const { status, headers } = response
      return { status, headers, body: await read(response) }
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
        ...(body !== undefined && {
          'content-type': body instanceof Uint8Array ? 'application/octet-stream' : 'application/json'
        }),
        ...(token !== undefined && { authorization: `Bearer ${token}` }),
        ...(userAgent !== undefined && { 'user-agent': userAgent }),
        ...headers
      },
      ...(body !== undefined && { body: body instanceof Uint8Array ? unshared(body) : JSON.stringify(body) }),
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
    if (!refusedForNow && (once || !(error.kind === 'unreachable' || isTransient(error)))) return null
    const least = asked ?? FIRST_PAUSE_MS * 2 ** (attempt - 1)
    if (least > LONGEST_PAUSE_MS) return null
    return least + this.#options.random() * Math.max(least / 2, FIRST_PAUSE_MS)
  }
}

/** What aborted the request, if something did, else that the server can't be reached. */
function explained(error: unknown, signal: AbortSignal): unknown {
  if (error instanceof ChatError) return error
  return signal.aborted ? signal.reason : unreachable(error)
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
