import type { Static, TSchema } from 'typebox'
import { AuthResponse } from '../../protocol/accounts.js'
import { ChatError, isRefusal } from '../errors.js'
import type { Store } from '../stores/store.js'
import type { ApiResponse, Http, OpenResponse, Request } from './http.js'

type StoredSession = {
  accessToken: string
  /** By this client's clock, in milliseconds since 1970. */
  begunAt: number
  /** Milliseconds from then on for which the access token is used. */
  usedFor: number
  refreshToken: string
  /** It was begun without a device, to begin again with another one, and that has not ended. */
  isForReset?: boolean
}

const NAME = 'session'
/** An access token that expires sooner than this, or than a quarter of its lifetime, is refreshed before it is used. */
const MARGIN_MS = 30_000
/** The server makes the same new tokens again for 10 seconds: a lost answer is asked for again before that. */
const REFRESH_TIMEOUT_MS = 5000

/**
 * The server's API as the logged-in user calls it. Keeps the session's tokens; a refresh token is good for
 * one use.
 */
export class Api {
  readonly #http: Http
  readonly #store: Store
  readonly #now: () => number
  readonly #monotonic: () => number
  readonly #signInAgain: () => Promise<AuthResponse | null>
  /** The time on the monotonic clock at which the access token is due, for clocks that are set back. */
  #dueAt = 0
  #session: StoredSession | null = null
  #refreshing: Promise<string> | null = null

  /** @param signInAgain a session by the key of this device; null if the server refuses, or there is no device */
  constructor(
    http: Http,
    store: Store,
    now: () => number,
    monotonic: () => number,
    signInAgain: () => Promise<AuthResponse | null>
  ) {
    this.#signInAgain = signInAgain
    this.#http = http
    this.#store = store
    this.#now = now
    this.#monotonic = monotonic
  }

  async load(): Promise<void> {
    this.#take((await this.#store.get<StoredSession>(NAME)) ?? null)
  }

  get loggedIn(): boolean {
    return this.#session !== null
  }

  /** The origin of the server. */
  get origin(): string {
    return this.#http.origin
  }

  /** Aborts when the client is closed. */
  get closed(): AbortSignal {
    return this.#http.closed
  }

  /** Milliseconds that a request may take. */
  get timeout(): number {
    return this.#http.timeout
  }

  /** @param options.isForReset until it is begun again, it only serves to bring a reset into the chain */
  async begin(response: AuthResponse, { isForReset = false } = {}): Promise<void> {
    const session = this.#toStored(response, isForReset)
    await this.#store.update((tx) => tx.set(NAME, session))
    this.#take(session)
  }

  /** The reset that this session was begun for stands in the chain: it is the new device's. */
  async resetEnded(): Promise<void> {
    this.#session = await this.#store.update(async (tx) => {
      const { isForReset, ...session } = (await tx.get<StoredSession>(NAME))!
      if (isForReset === true) tx.set(NAME, session)
      return session
    })
  }

  async end(): Promise<void> {
    await this.#store.update((tx) => tx.delete(NAME))
    this.#session = null
  }

  /** @throws {ChatError} `logged-out`, or as `Http.call` does */
  async call<S extends TSchema>(request: Omit<Request<S>, 'token'>): Promise<ApiResponse<Static<S>>> {
    return this.#withToken((token) => this.#http.call({ ...request, token }))
  }

  /** Like `call`, for a response of bytes. */
  async bytes(request: Omit<Request, 'token' | 'response'>): Promise<ApiResponse<Uint8Array>> {
    return this.#withToken((token) => this.#http.bytes({ ...request, token }))
  }

  /** Like `call`, for a response whose body the caller reads. */
  async open(request: Omit<Request, 'token' | 'response'>, type?: RegExp): Promise<OpenResponse> {
    return this.#withToken((token) => this.#http.open({ ...request, token }, type))
  }

  /** The server says that the session has ended. @throws {ChatError} `logged-out`, unless there is one again */
  async ended(): Promise<void> {
    await this.#refresh(this.#session?.accessToken ?? '')
  }

  /** Refresh the session if its access token is about to expire. */
  async refreshIfDue(): Promise<void> {
    await this.#token()
  }

  /** Do something with a valid access token; once more with a new one if the server says it is not valid. */
  async #withToken<T>(work: (token: string) => Promise<T>): Promise<T> {
    const token = await this.#token()
    try {
      return await work(token)
    } catch (error) {
      if (isRefusal(error, 'device-required') && this.#session?.isForReset === true) throw unfinished(error)
      if (isRefusal(error, 'fresh-sign-in-required')) return work(await this.#beginFresh(error))
      if (!isRefusal(error, 'unauthenticated', 'token-expired', 'session-ended')) throw error
    }
    return work(await this.#refresh(token))
  }

  /** A new session by the key of this device. @throws the refusal if there is no key */
  async #beginFresh(refusal: unknown): Promise<string> {
    const response = await this.#http.retry(() => this.#signInAgain())
    if (response === null) throw refusal
    await this.begin(response)
    return response.accessToken
  }

  async #token(): Promise<string> {
    if (this.#session === null) await this.load()
    if (this.#session === null) throw loggedOut()
    const { accessToken } = this.#session
    const isDue = this.#monotonic() >= this.#dueAt || left(this.#session, this.#now()) <= 0
    return isDue ? this.#refresh(accessToken) : accessToken
  }

  #take(session: StoredSession | null): void {
    this.#session = session
    if (session !== null) this.#dueAt = this.#monotonic() + left(session, this.#now())
  }

  #refresh(stale: string): Promise<string> {
    this.#refreshing ??= this.#http
      .retry(() => this.#refreshOnce(stale))
      .finally(() => (this.#refreshing = null))
    return this.#refreshing
  }

  /**
   * Holds the store's lock, so that no two processes use one refresh token: that would end the session. Each request
   * under it is sent once, and has a short time: others wait for the lock.
   */
  async #refreshOnce(stale: string): Promise<string> {
    const session = await this.#store.update(async (tx) => {
      const stored = await tx.get<StoredSession>(NAME)
      if (stored === undefined || stored.accessToken !== stale) return stored ?? null
      const renewed = (await this.#renew(stored)) ?? (await this.#beginAgain(stored))
      if (renewed === null) tx.delete(NAME)
      else tx.set(NAME, renewed)
      return renewed
    })
    this.#take(session)
    if (session === null) throw loggedOut()
    return session.accessToken
  }

  /** @returns null if the session has ended */
  async #renew({ refreshToken, isForReset }: StoredSession): Promise<StoredSession | null> {
    try {
      const { body } = await this.#http.call({
        method: 'POST',
        path: '/v1/auth/refresh',
        body: { refreshToken },
        response: AuthResponse,
        timeout: REFRESH_TIMEOUT_MS,
        tries: 1
      })
      return this.#toStored(body, isForReset)
    } catch (error) {
      if (isRefusal(error, 'invalid-refresh-token', 'session-ended')) return null
      throw error
    }
  }

  /** The session is over, but nobody has logged out here: then there would be none. */
  async #beginAgain({ isForReset = false }: StoredSession): Promise<StoredSession | null> {
    const session = isForReset ? null : await this.#signInAgain()
    return session && this.#toStored(session)
  }

  #toStored({ accessToken, expiresIn, refreshToken }: AuthResponse, isForReset = false): StoredSession {
    const lifetime = expiresIn * 1000
    const usedFor = lifetime - Math.min(MARGIN_MS, lifetime / 4)
    const session = { accessToken, begunAt: this.#now(), usedFor, refreshToken }
    return isForReset ? { ...session, isForReset } : session
  }
}

/** Milliseconds until the access token is due; 0 for one that begins later: the clock was set. */
function left({ begunAt, usedFor }: StoredSession, now: number): number {
  return begunAt > now ? 0 : begunAt + usedFor - now
}

function unfinished(cause: unknown): ChatError {
  const message = 'This session was begun for a reset that has not ended.'
  return new ChatError('logged-out', 'logged-out', message, { hint: 'Log in.', cause })
}

function loggedOut(): ChatError {
  return new ChatError('logged-out', 'logged-out', 'There is no session, or it has ended.', {
    hint: 'Log in again.'
  })
}
