import type { Static, TSchema } from 'typebox'
import { SignIn } from '../../protocol/accounts.js'
import type { Core } from '../core.js'
import { ChatError, RefusedError } from '../errors.js'
import { type ApiResponse, type Request } from './http.js'

type Stored = {
  accessToken: string
  /** By this client's clock, in milliseconds since 1970. */
  expiresAt: number
  refreshToken: string
}

const NAME = 'session'
/** An access token that is about to expire is not worth a try. */
const MARGIN_MS = 30_000

/** The session's tokens: what every authorised call goes through. Refresh tokens are good for one use. */
export class Api {
  readonly #core: Core
  #session: Stored | null = null
  #refreshing: Promise<string> | null = null

  constructor(core: Core) {
    this.#core = core
  }

  async load(): Promise<void> {
    this.#session = (await this.#core.store.get<Stored>(NAME)) ?? null
  }

  get loggedIn(): boolean {
    return this.#session !== null
  }

  async begin(answer: SignIn): Promise<void> {
    const session = this.#stored(answer)
    await this.#core.store.update((tx) => tx.set(NAME, session))
    this.#session = session
  }

  async end(): Promise<void> {
    await this.#core.store.update((tx) => tx.delete(NAME))
    this.#session = null
  }

  /** A call in the name of the session. @throws {ChatError} `logged-out`, or as `Http.call` does */
  async call<S extends TSchema>(request: Omit<Request<S>, 'token'>): Promise<ApiResponse<Static<S>>> {
    return this.withToken((token) => this.#core.http.call({ ...request, token }))
  }

  /** The same for an answer of bytes. */
  async bytes(request: Omit<Request, 'token' | 'answer'>): Promise<ApiResponse<Uint8Array>> {
    return this.withToken((token) => this.#core.http.bytes({ ...request, token }))
  }

  /** Do something with a valid access token; once more with a new one if it turns out to be stale. */
  async withToken<T>(work: (token: string) => Promise<T>): Promise<T> {
    const token = await this.#token()
    try {
      return await work(token)
    } catch (error) {
      if (!(error instanceof RefusedError) || error.status !== 401) throw error
      if (error.code === 'session-ended') await this.#ended(token, error)
    }
    return work(await this.#refresh(token))
  }

  /** Refresh the session if it is about time. */
  async keep(): Promise<void> {
    await this.#token()
  }

  async #token(): Promise<string> {
    if (this.#session === null) await this.load()
    if (this.#session === null) throw loggedOut()
    const { accessToken, expiresAt } = this.#session
    return expiresAt - MARGIN_MS > this.#core.options.now() ? accessToken : this.#refresh(accessToken)
  }

  #refresh(stale: string): Promise<string> {
    this.#refreshing ??= this.#refreshAlone(stale).finally(() => (this.#refreshing = null))
    return this.#refreshing
  }

  /** Under the store's lock, so that no two processes use one refresh token: that would end the session. */
  async #refreshAlone(stale: string): Promise<string> {
    const outcome = await this.#core.store.update(async (tx) => {
      const session = await tx.get<Stored>(NAME)
      if (session === undefined || session.accessToken !== stale) return session ?? null
      try {
        const { refreshToken } = session
        const path = '/v1/auth/refresh'
        const request = {
          method: 'POST',
          path,
          body: { refreshToken },
          response: SignIn,
          once: true
        } as const
        const renewed = this.#stored((await this.#core.http.call(request)).body)
        tx.set(NAME, renewed)
        return renewed
      } catch (error) {
        if (!(error instanceof RefusedError) || error.status !== 401) throw error
        tx.delete(NAME)
        return null
      }
    })
    this.#session = outcome
    if (outcome === null) throw loggedOut()
    return outcome.accessToken
  }

  /** @throws {ChatError} `logged-out`, unless another process has begun a new session meanwhile */
  async #ended(stale: string, cause: unknown): Promise<void> {
    this.#session = await this.#core.store.update(async (tx) => {
      const session = await tx.get<Stored>(NAME)
      if (session !== undefined && session.accessToken !== stale) return session
      tx.delete(NAME)
      return null
    })
    if (this.#session === null) throw loggedOut(cause)
  }

  #stored({ accessToken, expiresIn, refreshToken }: SignIn): Stored {
    return { accessToken, expiresAt: this.#core.options.now() + expiresIn * 1000, refreshToken }
  }
}

function loggedOut(cause?: unknown): ChatError {
  return new ChatError('logged-out', 'logged-out', 'There is no session, or it has ended.', {
    hint: 'Log in again.',
    ...(cause !== undefined && { cause })
  })
}
