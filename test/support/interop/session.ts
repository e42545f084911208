import { randomUUID } from 'node:crypto'
import type { Agent } from 'node:http'
import { EventStream, type ChatEvent, type EventsOptions } from './events.js'
import { call, newAgent, type Answer, type Call, type SessionAnswer } from './http.js'

export interface SessionOptions {
  readonly password?: string
  /** Parallel connections for everything but the event streams. */
  readonly connections?: number
}

export type Raw = Omit<Call, 'method' | 'path' | 'token'> & { readonly token?: string | null }

/** Requests and event streams of one device. */
export class Session {
  base: string
  readonly username: string
  readonly password: string
  readonly deviceId: string = randomUUID()
  userId = ''
  accessToken: string | undefined
  refreshToken: string | undefined
  readonly agent: Agent
  readonly #streams = new Set<EventStream>()

  protected constructor(base: string, username: string, options: SessionOptions) {
    this.base = base
    this.username = username
    this.password = options.password ?? `correct horse ${username} battery`
    this.agent = newAgent(options.connections)
  }

  /** Any request, right or wrong. `token: null` sends none; by default the own access token goes along. */
  raw<T = unknown>(method: string, path: string, what: Raw = {}): Promise<Answer<T>> {
    const { token, ...rest } = what
    return call<T>(this.base, this.agent, {
      method,
      path,
      ...rest,
      token: token === null ? undefined : (token ?? this.accessToken)
    })
  }

  protected keep(answer: Answer<SessionAnswer>): Answer<SessionAnswer> {
    if (answer.status < 300) {
      this.accessToken = answer.body.accessToken
      this.refreshToken = answer.body.refreshToken
      this.userId = answer.body.user.id
    }
    return answer
  }

  async login(withDevice = true): Promise<Answer<SessionAnswer>> {
    const { username, password, deviceId } = this
    const body = { username, password, ...(withDevice ? { deviceId } : {}) }
    return this.keep(await this.raw<SessionAnswer>('POST', '/v1/auth/login', { body, token: null }))
  }

  async refresh(refreshToken = this.refreshToken): Promise<Answer<SessionAnswer>> {
    const body = { refreshToken }
    return this.keep(await this.raw<SessionAnswer>('POST', '/v1/auth/refresh', { body, token: null }))
  }

  logout(): Promise<Answer<unknown>> {
    return this.raw('POST', '/v1/auth/logout')
  }

  events(options: EventsOptions = {}): EventStream {
    const stream = new EventStream(() => ({ base: this.base, token: this.accessToken }), options)
    this.#streams.add(stream)
    return stream
  }

  /** A stream that has said `ready`: whatever happens from now on is on it. */
  async live(options: EventsOptions = {}): Promise<EventStream> {
    const stream = this.events(options)
    await stream.waitFor((event) => event.event === 'ready', 'ready')
    return stream
  }

  poll(
    after: string,
    wait?: number
  ): Promise<Answer<{ items: (ChatEvent & { cursor: string })[]; cursor: string }>> {
    const query = new URLSearchParams({ after, ...(wait === undefined ? {} : { wait: String(wait) }) })
    return this.raw('GET', `/v1/events/page?${query.toString()}`)
  }

  /** Lets go of all sockets; without it a test process would not end. */
  close(): void {
    for (const stream of this.#streams) stream.close()
    this.agent.destroy()
  }
}
