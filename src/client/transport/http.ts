import type { Static, TSchema } from 'typebox'
import {
  BYTES_TYPE,
  JSON_TYPE,
  readBytes,
  readJson,
  requireAnswer,
  requireDone,
  STREAM_TYPE
} from './response.js'
import { ChatError, RefusedError, isRefusal, isTransient } from '../errors.js'
import { linked, sleep } from './abort.js'
import { unshared } from '../../crypto/web-crypto.js'
import { checked } from './response-schema.js'

const TRIES = 5
/** If the server asks for a longer pause, the call fails instead. */
const MAX_PAUSE_MS = 20_000
const FIRST_PAUSE_MS = 250

export interface Request<S extends TSchema = TSchema> {
  method: 'GET' | 'POST' | 'PUT' | 'PATCH' | 'DELETE'
  /** Path and query. */
  path: string
  body?: unknown
  headers?: Record<string, string>
  token?: string
  /** Schema of a 2xx response; without it the body is not read. */
  response?: S
  /** The largest honest answer, if it is smaller than that of most requests. */
  maxBytes?: number
  /**
   * Never send this request again, except after a 429. Most may be sent again: clients make the ids, so a
   * repetition changes nothing.
   */
  once?: boolean
  /** How often it is sent at most. */
  tries?: number
  /** Milliseconds for one try, if the answer helps only if it comes soon. */
  timeout?: number
  signal?: AbortSignal
}

export interface ApiResponse<T> {
  status: number
  body: T
  /** Bytes of the body. */
  size: number
  headers: Headers
}

/** Reads the body of a response. */
type Read<T> = (response: Response) => Promise<Pick<ApiResponse<T>, 'body' | 'size'>>

export interface OpenResponse {
  response: Response
  /** The caller has to call it in the end. */
  close: () => void
}

export interface HttpOptions {
  url: string
  fetch: typeof globalThis.fetch
  random: () => number
  timeout: number
  userAgent: string | undefined
}

/**
 * HTTP with JSON, time-outs, bounded responses, retries where they are harmless, and `ChatError` for every
 * failure.
 */
export class Http {
  readonly #options: HttpOptions
  readonly #closed = new AbortController()

  constructor(options: HttpOptions) {
    // Neither a query nor a password, which `fetch` refuses and nobody should read in an error.
    if (!/^https?:\/\/[^?#@]+$/.test(options.url) || !URL.canParse(options.url))
      throw new ChatError(
        'usage',
        'invalid-url',
        `${options.url.replace(/\/\/.*@/, '//…@')} is not the address of a server.`
      )
    this.#options = { ...options, url: options.url.replace(/\/+$/, '') }
  }

  /** @param reason what calls throw from now on */
  close(reason: unknown = new ChatError('usage', 'closed', 'The client is closed.')): void {
    this.#closed.abort(reason)
  }

  /** The origin of the server, as the URL standard writes it. */
  get origin(): string {
    return new URL(this.#options.url).origin
  }

  get timeout(): number {
    return this.#options.timeout
  }

  /** Aborts when the client is closed, or has lost its store. */
  get closed(): AbortSignal {
    return this.#closed.signal
  }

  /**
   * @throws {RefusedError} if the server refuses, or fails for long; {ChatError} `unreachable` if no answer of
   *   the server comes, `untrusted` if it does not fit the schema
   */
  async call<S extends TSchema>(request: Request<S>): Promise<ApiResponse<Static<S>>> {
    const { method, path, response: schema, maxBytes } = request
    return this.#answered(request, async (response) => {
      if (schema === undefined) {
        await requireDone(response)
        return { body: null as Static<S>, size: 0 }
      }
      await requireAnswer(response, JSON_TYPE)
      const { body, size } = await readJson(response, maxBytes)
      return { body: checked(schema, body, `${method} ${path.replace(/\?.*/, '')}`), size }
    })
  }

  /** Do something, and again after a pause if a request in it has failed so that it may succeed later. */
  async retry<T>(
    work: () => Promise<T>,
    { once = false, tries = TRIES, signal }: Pick<Request, 'once' | 'tries' | 'signal'> = {}
  ): Promise<T> {
    for (let attempt = 1; ; attempt++) {
      try {
        return await work()
      } catch (error) {
        const pause = attempt < tries ? this.#pauseAfter(error, once, attempt) : null
        if (pause === null) throw error
        const wait = linked([signal, this.#closed.signal])
        await sleep(pause, wait.signal).finally(() => wait.unlink())
      }
    }
  }

  /** Like `call`, for a response of bytes. */
  async bytes(request: Omit<Request, 'response'>): Promise<ApiResponse<Uint8Array>> {
    return this.#answered(request, async (response) => {
      await requireAnswer(response, BYTES_TYPE)
      const body = await readBytes(response)
      return { body, size: body.length }
    })
  }

  /** A stream of this type, which the caller reads. */
  async open(request: Request, type = STREAM_TYPE): Promise<OpenResponse> {
    const end = linked([request.signal, this.#closed.signal])
    const timer = setTimeout(() => end.abort(timedOut()), this.#options.timeout)
    try {
      const response = await this.#fetch(request, end.signal)
      await requireAnswer(response, type)
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

  #answered<T>(request: Request, read: Read<T>): Promise<ApiResponse<T>> {
    return this.retry(() => this.#once(request, read), request)
  }

  async #once<T>(request: Request, read: Read<T>): Promise<ApiResponse<T>> {
    const end = linked([request.signal, this.#closed.signal])
    const timeout = Math.min(request.timeout ?? Infinity, this.#options.timeout)
    const timer = setTimeout(() => end.abort(timedOut()), timeout)
    try {
      const response = await this.#fetch(request, end.signal)
      const { status, headers } = response
      return { status, headers, ...(await read(response)) }
    } catch (error) {
      throw toRequestError(error, end.signal)
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
      // A redirect must not carry the token to another server. It is told where it leads.
      redirect: 'manual' as const,
      credentials: 'omit' as const,
      cache: 'no-store' as const
    }
    try {
      return await fetch(url + path, init)
    } catch (error) {
      throw toRequestError(error, signal)
    }
  }

  /** Milliseconds to wait before trying again; null to give up. */
  #pauseAfter(error: unknown, once: boolean, attempt: number): number | null {
    if (!(error instanceof ChatError)) return null
    const requested = error instanceof RefusedError ? error.retryAfter : null
    const isRateLimited = isRefusal(error, 'too-many-requests')
    if (!isRateLimited && (once || !(error.kind === 'unreachable' || isTransient(error)))) return null
    const least = requested ?? FIRST_PAUSE_MS * 2 ** (attempt - 1)
    if (least > MAX_PAUSE_MS) return null
    return least + this.#options.random() * Math.max(least / 2, FIRST_PAUSE_MS)
  }
}

/** The reason of an abort, or an `unreachable` error. */
function toRequestError(error: unknown, signal: AbortSignal): unknown {
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
