import { request as httpRequest, type ClientRequest, type IncomingHttpHeaders } from 'node:http'
import { DEADLINE_MS } from '../eventually.js'

export interface ChatEvent {
  /** The cursor from which to resume. Absent on `presence` and `session.ended`. */
  readonly id?: string
  readonly event: string
  readonly data: Readonly<Record<string, unknown>>
}

export interface EventsOptions {
  readonly after?: string
  readonly lastEventId?: string
  /** Connect again after a cut or an end, until closed or refused (default true). */
  readonly resume?: boolean
  /** Pause before connecting again; the server's `retry` would make tests slow. */
  readonly pauseMs?: number
  /** False for floods: `received` then holds ephemeral events only; the others come to `onEvent` only. */
  readonly keep?: boolean
  /** Wait for a response for as long as it takes. */
  readonly patient?: boolean
  /** Called within the parser: `cut()` in here loses whatever had already arrived behind this event. */
  readonly onEvent?: (event: ChatEvent, stream: EventStream) => void
}

/** Events that are in the log. */
export function isDurable({ event }: ChatEvent): boolean {
  return !['ready', 'reset', 'presence', 'session.ended'].includes(event)
}

/** A connection that a dying server took is never answered: then the reader connects again. */
const PATIENCE_MS = 10_000

/** A Server-Sent Events reader after the WHATWG parsing rules, that keeps all it was given. */
export class EventStream implements AsyncIterable<ChatEvent> {
  readonly received: ChatEvent[] = []
  lastEventId: string | undefined
  connections = 0
  comments = 0
  retry: number | undefined
  status = 0
  headers: IncomingHttpHeaders = {}
  ended = false
  readonly #where: () => { base: string; token: string | undefined }
  readonly #options: EventsOptions
  #request: ClientRequest | undefined
  #waiting = new Set<() => void>()
  #timer: NodeJS.Timeout | undefined
  #last = false

  constructor(where: () => { base: string; token: string | undefined }, options: EventsOptions = {}) {
    this.#where = where
    this.#options = options
    this.lastEventId = options.lastEventId
    this.#connect()
  }

  /** Destroys the socket as a dying network would; the reader resumes unless `resume` is false. */
  cut(): void {
    this.#request?.destroy()
  }

  close(): void {
    this.#finish()
    this.#request?.destroy()
  }

  /** Resolves with the first event, past or to come, that fits. @throws when it does not come in time. */
  async waitFor(fits: (event: ChatEvent) => boolean, what = 'event'): Promise<ChatEvent> {
    let seen = 0
    let found: ChatEvent | undefined
    const look = (): boolean => {
      while (found === undefined && seen < this.received.length) {
        const event = this.received[seen++]
        if (event !== undefined && fits(event)) found = event
      }
      return found !== undefined
    }
    await this.until(look, what)
    return found as unknown as ChatEvent
  }

  /** Resolves when the condition holds; it is looked at whenever something arrives. */
  until(holds: () => boolean, what = 'condition'): Promise<void> {
    return new Promise((resolve, reject) => {
      const done = (error?: Error): void => {
        clearTimeout(timer)
        this.#waiting.delete(check)
        if (error === undefined) resolve()
        else reject(error)
      }
      const check = (): void => {
        if (holds()) done()
        else if (this.ended) done(new Error(`the stream ended (status ${this.status}) before: ${what}`))
      }
      const timer = setTimeout(() => {
        const tail = this.received.slice(-3).map((event) => event.event)
        done(
          new Error(
            `not in ${DEADLINE_MS} ms: ${what}; ${this.received.length} events, last ${tail.join(', ')}`
          )
        )
      }, DEADLINE_MS)
      this.#waiting.add(check)
      check()
    })
  }

  /** Resolves once the stream is over, for whatever reason. */
  async over(): Promise<void> {
    await this.until(() => this.ended, 'the end of the stream')
  }

  durable(): ChatEvent[] {
    return this.received.filter(isDurable)
  }

  async *[Symbol.asyncIterator](): AsyncGenerator<ChatEvent, void, undefined> {
    for (let next = 0; ; next++) {
      while (next >= this.received.length) {
        if (this.ended) return
        await new Promise<void>((resolve) => {
          const wake = (): void => {
            this.#waiting.delete(wake)
            resolve()
          }
          this.#waiting.add(wake)
        })
      }
      const event = this.received[next]
      if (event !== undefined) yield event
    }
  }

  #wake(): void {
    for (const check of [...this.#waiting]) check()
  }

  #finish(): void {
    this.ended = true
    clearTimeout(this.#timer)
    this.#wake()
  }

  #connect(): void {
    if (this.ended) return
    const { base, token } = this.#where()
    const url = new URL('/v1/events', base)
    const headers: Record<string, string> = { accept: 'text/event-stream' }
    if (token !== undefined) headers['authorization'] = `Bearer ${token}`
    if (this.lastEventId !== undefined) headers['last-event-id'] = this.lastEventId
    else if (this.#options.after !== undefined) url.searchParams.set('after', this.#options.after)
    const request = httpRequest(url, { agent: false, headers })
    this.#request = request
    let over = false
    const again = (): void => {
      if (over || this.#request !== request) return
      over = true
      if (this.#last || this.#options.resume === false) this.#finish()
      else this.#timer = setTimeout(() => this.#connect(), this.#options.pauseMs ?? 20)
    }
    const giveUp = this.#options.patient ? undefined : setTimeout(() => request.destroy(), PATIENCE_MS)
    request.on('error', again)
    request.on('close', () => {
      clearTimeout(giveUp)
      again()
    })
    request.on('response', (response) => {
      clearTimeout(giveUp)
      this.status = response.statusCode ?? 0
      this.headers = response.headers
      if (this.status === 503) response.resume().on('close', again)
      else if (this.status !== 200) {
        response.resume()
        this.#finish()
      } else {
        this.connections++
        const parse = this.#parser(() => request.destroyed)
        response.setEncoding('utf8')
        response.on('data', parse)
        response.on('error', again)
        response.on('close', again)
      }
    })
    request.end()
  }

  #parser(stopped: () => boolean): (text: string) => void {
    let rest = ''
    let id: string | undefined
    let event = ''
    let data: string[] = []
    const dispatch = (): void => {
      if (id !== undefined) this.lastEventId = id
      if (data.length > 0) {
        const whole = JSON.parse(data.join('\n')) as Record<string, unknown>
        this.#take({
          ...(id === undefined ? {} : { id }),
          event: event === '' ? 'message' : event,
          data: whole
        })
      }
      id = undefined
      event = ''
      data = []
    }
    return (text) => {
      rest += text
      let at: number
      while (!stopped() && (at = rest.indexOf('\n')) >= 0) {
        const line = rest.slice(0, at).replace(/\r$/, '')
        rest = rest.slice(at + 1)
        const colon = line.indexOf(':')
        const name = colon < 0 ? line : line.slice(0, colon)
        const content = colon < 0 ? '' : line.slice(colon + 1).replace(/^ /, '')
        if (line === '') dispatch()
        else if (colon === 0) this.comments++
        else if (name === 'id') id = content
        else if (name === 'event') event = content
        else if (name === 'data') data.push(content)
        else if (name === 'retry') this.retry = Number(content)
      }
    }
  }

  #take(event: ChatEvent): void {
    if (this.#options.keep !== false || !isDurable(event)) this.received.push(event)
    this.#options.onEvent?.(event, this)
    if (event.event === 'session.ended') this.#last = true
    this.#wake()
  }
}
