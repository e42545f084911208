import { EventPage } from '../../protocol/events.js'
import type { ChatEvent } from '../types/events.js'
import type { Store } from '../stores/store.js'
import type { Api } from '../transport/api.js'
import { readCursor } from './cursor.js'
import { ChatError, isRefusal, RefusedError, isTransient } from '../errors.js'
import { FrameHandler, MAX_PAUSE_MS, MIN_PAUSE_MS, type StreamHooks } from './frames.js'
import type { EventHandler } from './handler.js'
import { linked, sleep } from '../transport/abort.js'
import { readFrames } from '../transport/sse.js'

/** A connection that is silent for this many intervals is dead. */
const SILENT_INTERVALS = 2.5
/** When this number of streams in a row bring nothing, polls take their place. */
const MUTE_STREAMS = 2
/** After so long a stream is tried again. */
const POLLING_MS = 30 * 60_000
const MAX_WAIT_SECONDS = 45

/**
 * Follows the events from the stored cursor, without end: it reconnects whenever the connection breaks.
 */
export class EventStream {
  readonly #api: Api
  readonly #store: Store
  readonly #frames: FrameHandler
  readonly #random: () => number
  /** Streams in a row that brought nothing, or nothing after their beginning. */
  #mute = 0

  constructor(api: Api, store: Store, handler: EventHandler, hooks: StreamHooks, random: () => number) {
    this.#api = api
    this.#store = store
    this.#frames = new FrameHandler(api, store, handler, hooks)
    this.#random = random
  }

  async *follow(signal: AbortSignal): AsyncGenerator<ChatEvent, void, undefined> {
    const abort = linked([signal, this.#api.closed])
    try {
      yield* this.#follow(abort.signal)
    } finally {
      abort.unlink()
    }
  }

  async *#follow(signal: AbortSignal): AsyncGenerator<ChatEvent, void, undefined> {
    for (let failures = 0; !signal.aborted;) {
      let error: ChatError | undefined
      try {
        const events = this.#mute < MUTE_STREAMS ? this.#streamed(signal) : this.#polled(signal)
        for await (const event of events) {
          if (event.type === 'connected') failures = 0
          yield event
        }
      } catch (failure) {
        if (signal.aborted) return
        if (!isRetryable(failure)) throw failure
        error = failure
        failures++
      }
      const retryIn = this.#pause(failures, error)
      yield { type: 'disconnected', retryIn, ...(error !== undefined && { error }) }
      await sleep(retryIn, signal).catch(() => undefined)
    }
  }

  async *#streamed(signal: AbortSignal): AsyncGenerator<ChatEvent, void, undefined> {
    let arrivals = 0
    let last = await readCursor(this.#store)
    const headers = { accept: 'text/event-stream', ...(last !== undefined && { 'last-event-id': last }) }
    const request = { method: 'GET', path: '/v1/events', headers, signal } as const
    const { response, close } = await this.#api.open(request).catch((error: unknown) => this.#fell(error))
    try {
      if (response.body === null)
        throw new ChatError('unreachable', 'no-stream', 'The server sent no stream.')
      const silenceMs = () => this.#frames.keepAliveSeconds * 1000 * SILENT_INTERVALS
      for await (const frames of readFrames(response.body, silenceMs, signal)) {
        // The first frames may be all that gets through.
        if (++arrivals === 2) this.#mute = 0
        last = yield* this.#frames.take(frames, last)
      }
    } catch (error) {
      if (arrivals < 2) this.#fell(error)
      throw error
    } finally {
      close()
    }
  }

  /** A stream has fallen silent before it brought anything. */
  #fell(error: unknown): never {
    if (error instanceof ChatError && ['timeout', 'silent-stream'].includes(error.code)) this.#mute++
    throw error
  }

  /** Polls get through where something holds back streams. They bring no presence. */
  async *#polled(signal: AbortSignal): AsyncGenerator<ChatEvent, void, undefined> {
    const until = performance.now() + POLLING_MS
    // If not even a poll gets through, it is not the stream that is held back.
    this.#mute = 0
    let last = await readCursor(this.#store)
    const first = await this.#page(last, 0, signal)
    this.#mute = MUTE_STREAMS
    yield { type: 'disconnected', retryIn: 0, error: heldBack() }
    const wait = Math.min(MAX_WAIT_SECONDS, Math.floor(this.#api.timeout / 1500))
    last = yield* this.#frames.begin(first.cursor, last)
    for (let page = first; ; page = await this.#page(last, wait, signal)) {
      const before: string | undefined = last
      const frames = page.items.map(({ event, data, cursor }) => ({
        event,
        data: JSON.stringify(data),
        id: cursor
      }))
      last = yield* this.#frames.take(frames, last)
      if (performance.now() >= until) break
      if (last === before) await sleep(MIN_PAUSE_MS, signal)
    }
    this.#mute = MUTE_STREAMS - 1
  }

  async #page(after: string | undefined, wait: number, signal: AbortSignal): Promise<EventPage> {
    const query = after === undefined ? '' : `&after=${encodeURIComponent(after)}`
    const path = `/v1/events/page?limit=200&wait=${wait}${query}`
    return (await this.#api.call({ method: 'GET', path, response: EventPage, signal })).body
  }

  #pause(failures: number, error: ChatError | undefined): number {
    const requested = error instanceof RefusedError ? Math.min(error.retryAfter ?? 0, MAX_PAUSE_MS) : 0
    const least = Math.min(this.#frames.retryMs * 2 ** Math.max(0, failures - 1), MAX_PAUSE_MS)
    return Math.max(requested, Math.round(least * (0.5 + this.#random() / 2)))
  }
}

/** Whether trying again later may help. */
function isRetryable(error: unknown): error is ChatError {
  if (!(error instanceof ChatError)) return false
  return (
    error.kind === 'unreachable' ||
    isTransient(error) ||
    isRefusal(error, 'too-many-requests') ||
    error.code === 'malformed-answer'
  )
}

function heldBack(): ChatError {
  const message = 'Something in between holds back the stream of events, such as a proxy or a virus scanner.'
  const hint = 'Events come by polls instead. Have it pass /v1/events without buffering.'
  return new ChatError('unreachable', 'held-back-stream', message, { hint })
}
