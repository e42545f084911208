import { ephemeralEvents, EventPage } from '../../protocol/events.js'
import { ChatError } from '../errors.js'
import { sleep } from '../transport/abort.js'
import type { Api } from '../transport/api.js'
import { fits } from '../transport/response-schema.js'
import { readFrames, type Frame } from '../transport/sse.js'

/**
 * The server asks for the pause. An honest one asks for some seconds; one that asks for none and ends each
 * stream at once would keep the client busy for ever.
 */
const MIN_PAUSE_MS = 1000
export const MAX_PAUSE_MS = 60_000
/** A connection that is silent for this many intervals is dead. */
const SILENT_INTERVALS = 2.5
/** When this number of streams in a row bring nothing, polls take their place. */
const MUTE_STREAMS = 2
/** After so long a stream is tried again. */
const POLLING_MS = 30 * 60_000
const MAX_WAIT_SECONDS = 45

/** Brings what the server sends, in the batches in which it arrives. */
export interface FrameSource {
  /** @param at the cursor of the last event that the caller has taken */
  batches(at: () => string | undefined, signal: AbortSignal): AsyncIterable<readonly Frame[]>
}

/** Polls have taken the place of streams. */
export const HELD_BACK: Frame = { event: 'held-back', data: '' }

/** The server's frames, by one stream, or by polls where no stream gets through. */
export class ServerFrames implements FrameSource {
  /** Until the server gives its own: the pause before reconnecting, and the interval of its keep-alives. */
  retryMs = 3000
  #keepAliveSeconds = 15
  /** Streams in a row that brought nothing, or nothing after their beginning. */
  mute = 0
  readonly #api: Api

  constructor(api: Api) {
    this.#api = api
  }

  batches(at: () => string | undefined, signal: AbortSignal): AsyncGenerator<readonly Frame[]> {
    return this.mute < MUTE_STREAMS ? this.#streamed(at(), signal) : this.#polled(at, signal)
  }

  /** The events after a cursor, at most 200. @returns also the cursor at which they begin if none was given */
  async page(
    after: string | undefined,
    signal: AbortSignal,
    wait = 0
  ): Promise<{ cursor: string; frames: Frame[] }> {
    const query = after === undefined ? '' : `&after=${encodeURIComponent(after)}`
    const path = `/v1/events/page?limit=200&wait=${wait}${query}`
    const { body } = await this.#api.call({ method: 'GET', path, response: EventPage, signal })
    const frames = body.items.map(({ event, data, cursor }) => ({
      event,
      data: JSON.stringify(data),
      id: cursor
    }))
    return { cursor: body.cursor, frames }
  }

  async *#streamed(last: string | undefined, signal: AbortSignal): AsyncGenerator<readonly Frame[], void> {
    let [hasBegun, goesOn] = [false, false]
    const headers = { accept: 'text/event-stream', ...(last !== undefined && { 'last-event-id': last }) }
    const request = { method: 'GET', path: '/v1/events', headers, signal } as const
    const { response, close } = await this.#api.open(request).catch((error: unknown) => this.#fell(error))
    try {
      if (response.body === null)
        throw new ChatError('unreachable', 'no-stream', 'The server sent no stream.')
      const silenceMs = () => this.#keepAliveSeconds * 1000 * SILENT_INTERVALS
      for await (const frames of readFrames(response.body, silenceMs, signal)) {
        // The first frames, in however many pieces, may be all that gets through.
        if (hasBegun) this.mute = 0
        goesOn = hasBegun
        for (const frame of frames) this.#note(frame)
        hasBegun ||= frames.some(({ event }) => event === 'ready')
        yield frames
      }
    } catch (error) {
      if (!goesOn) this.#fell(error)
      throw error
    } finally {
      close()
    }
  }

  /** How the server wants to be read. */
  #note({ event, data, retry }: Frame): void {
    if (retry !== undefined) this.retryMs = Math.min(Math.max(retry, MIN_PAUSE_MS), MAX_PAUSE_MS)
    if (event !== 'ready') return
    const ready = parseFrame(data)
    if (fits(ephemeralEvents.ready, ready))
      this.#keepAliveSeconds = Math.min(Math.max(ready.keepaliveSeconds, 1), 300)
  }

  /** A stream has fallen silent before it brought anything. */
  #fell(error: unknown): never {
    if (error instanceof ChatError && ['timeout', 'silent-stream'].includes(error.code)) this.mute++
    throw error
  }

  /** Polls get through where something holds back streams. They bring no presence. */
  async *#polled(at: () => string | undefined, signal: AbortSignal): AsyncGenerator<readonly Frame[], void> {
    const until = performance.now() + POLLING_MS
    // If not even a poll gets through, it is not the stream that is held back.
    this.mute = 0
    const { cursor, frames } = await this.page(at(), signal)
    this.mute = MUTE_STREAMS
    yield [HELD_BACK, begun(cursor), ...frames]
    const wait = Math.min(MAX_WAIT_SECONDS, Math.floor(this.#api.timeout / 1500))
    while (performance.now() < until) {
      const before = at()
      yield (await this.page(before, signal, wait)).frames
      if (at() === before) await sleep(MIN_PAUSE_MS, signal)
    }
    this.mute = MUTE_STREAMS - 1
  }
}

/** Events begin to come by pages, after this cursor. It stands in the place of a `ready`. */
export function begun(cursor: string): Frame {
  return { event: 'begun', data: '', id: cursor }
}

/** @throws {ChatError} `malformed-answer` (`untrusted`) */
export function parseFrame(data: string): unknown {
  try {
    return JSON.parse(data) as unknown
  } catch (cause) {
    throw new ChatError('untrusted', 'malformed-answer', 'An event is no JSON.', { cause })
  }
}
