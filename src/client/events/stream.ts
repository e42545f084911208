import { Message } from '../../protocol/messages.js'
import { durableEvents, ephemeralEvents, type DurableEvent } from '../../protocol/events.js'
import { parseCursor } from '../../protocol/cursor.js'
import { cursorBefore } from '../conversations/read-range.js'
import type { ChatEvent } from '../types/events.js'
import type { Store } from '../stores/store.js'
import type { Api } from '../transport/api.js'
import { advanceCursor, readCursor, saveCursor } from './cursor.js'
import { ChatError, RefusedError, isTransient, untrusted, isRefusal } from '../errors.js'
import type { Handled } from './handled.js'
import type { EventHandler } from './handler.js'
import { linked, sleep } from '../transport/abort.js'
import { readFrames, type Frame } from '../transport/sse.js'
import { checked, fits } from '../transport/response-schema.js'

/**
 * The server asks for the pause. An honest one asks for some seconds; one that asks for none and ends each
 * stream at once would keep the client busy for ever.
 */
const MIN_PAUSE_MS = 1000
const MAX_PAUSE_MS = 60_000
/** Until the server gives its own: the pause before reconnecting, and the interval of its keep-alives. */
const INITIAL = { retryMs: 3000, keepAliveSeconds: 15 }
/** A connection that is silent for this many intervals is dead. */
const SILENT_INTERVALS = 2.5

/** Callbacks of the stream. */
export interface StreamHooks {
  /** Called whenever the stream is connected. */
  connected: () => Promise<unknown>
  /** Called whenever the stream brings something, if only a sign of life. */
  alive: () => Promise<unknown>
  /** Takes events of this client, to be shown among the server's. */
  takeOwn: () => Promise<ChatEvent[]>
}

/**
 * Follows the stream of events from the stored cursor, without end: it reconnects whenever the connection
 * breaks.
 */
export class EventStream {
  readonly #api: Api
  readonly #store: Store
  readonly #handler: EventHandler
  readonly #hooks: StreamHooks
  readonly #random: () => number
  #retryMs = INITIAL.retryMs
  #keepAliveSeconds = INITIAL.keepAliveSeconds

  constructor(api: Api, store: Store, handler: EventHandler, hooks: StreamHooks, random: () => number) {
    this.#api = api
    this.#store = store
    this.#handler = handler
    this.#hooks = hooks
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
        for await (const event of this.#connection(signal)) {
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

  async *#connection(signal: AbortSignal): AsyncGenerator<ChatEvent, void, undefined> {
    const cursor = await readCursor(this.#store)
    const headers = { accept: 'text/event-stream', ...(cursor !== undefined && { 'last-event-id': cursor }) }
    const request = { method: 'GET', path: '/v1/events', headers, signal } as const
    const { response, close } = await this.#api.open(request)
    try {
      if (response.body === null)
        throw new ChatError('unreachable', 'no-stream', 'The server sent no stream.')
      let last = cursor
      const silenceMs = () => this.#keepAliveSeconds * 1000 * SILENT_INTERVALS
      for await (const frames of readFrames(response.body, silenceMs, signal)) {
        // A session that is not refreshed ends, and its stream with it.
        await this.#api.refreshIfDue()
        this.#hooks.alive().catch(() => undefined)
        yield* await this.#hooks.takeOwn()
        for (const group of grouped(frames)) {
          if (group[0]!.event === 'message') last = yield* this.#messages(group, last)
          else last = yield* this.#frame(group[0]!, last)
        }
        // The next frames may come in some seconds only.
        yield* await this.#hooks.takeOwn()
      }
    } finally {
      close()
    }
  }

  /** Messages that arrived together are decrypted together. */
  async *#messages(
    frames: readonly Frame[],
    before: string | undefined
  ): AsyncGenerator<ChatEvent, string | undefined> {
    const messages: Message[] = []
    const cursors: string[] = []
    let last = before
    for (const frame of frames) {
      const message = checked(Message, parse(frame), 'message')
      if (isNext(frame, message, last)) {
        await this.#begin(frame.id, last)
        messages.push(message)
        cursors.push(frame.id)
        last = frame.id
      } else yield replayed()
    }
    let at = 0
    for await (const handled of this.#handler.messages(messages)) yield* this.#shown(handled, cursors[at++])
    return last
  }

  async *#frame(frame: Frame, last: string | undefined): AsyncGenerator<ChatEvent, string | undefined> {
    if (frame.retry !== undefined) this.#retryMs = Math.min(Math.max(frame.retry, MIN_PAUSE_MS), MAX_PAUSE_MS)
    if (frame.event === 'retry') return last
    if (!Object.hasOwn(durableEvents, frame.event)) {
      const moved = yield* this.#ephemeral(frame, last)
      return moved
    }
    const event = frame.event as Exclude<DurableEvent, 'message'>
    const data = checked(durableEvents[event], parse(frame), event)
    if (!isNext(frame, data, last)) {
      yield replayed()
      return last
    }
    await this.#begin(frame.id, last)
    for await (const handled of this.#handler.handle(event, data)) yield* this.#shown(handled, undefined)
    await this.#store.update((tx) => advanceCursor(tx, frame.id))
    return frame.id
  }

  /** With the first event after a reset another unbroken range begins, maybe in another log. */
  async #begin(cursor: string, last: string | undefined): Promise<void> {
    if (last === undefined) await saveCursor(this.#store, cursorBefore(cursor))
  }

  /** Show an event. When the caller asks for the next one, this one was handled, and is written down. */
  async *#shown({ events, commit }: Handled, cursor: string | undefined): AsyncGenerator<ChatEvent, void> {
    yield* events
    if (commit === undefined && cursor === undefined) return
    await this.#store.update(async (tx) => {
      await commit?.(tx)
      if (cursor !== undefined) await advanceCursor(tx, cursor)
    })
  }

  async *#ephemeral(frame: Frame, last: string | undefined): AsyncGenerator<ChatEvent, string | undefined> {
    const data = parse(frame)
    if (frame.event === 'ready') {
      const ready = checked(ephemeralEvents.ready, data, 'ready')
      this.#keepAliveSeconds = Math.min(Math.max(ready.keepaliveSeconds, 1), 300)
      if (last === undefined) await saveCursor(this.#store, ready.cursor)
      this.#hooks.connected().catch(() => undefined)
      yield { type: 'connected' }
      // Until a reset, every event has to come after this.
      return last ?? ready.cursor
    }
    if (frame.event === 'reset') {
      yield { type: 'reset' }
      return undefined
    }
    if (frame.event === 'session.ended') {
      await this.#api.end()
      throw new ChatError('logged-out', 'logged-out', 'The session has ended.', { hint: 'Log in again.' })
    }
    if (frame.event === 'presence' && fits(ephemeralEvents.presence, data)) {
      const { username, online, at } = data
      yield { type: 'presence', username, online, at }
    }
    return last
  }

  #pause(failures: number, error: ChatError | undefined): number {
    const requested = error instanceof RefusedError ? Math.min(error.retryAfter ?? 0, MAX_PAUSE_MS) : 0
    const least = Math.min(this.#retryMs * 2 ** Math.max(0, failures - 1), MAX_PAUSE_MS)
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

/** Groups of consecutive messages; every other frame is a group by itself. */
function grouped(frames: readonly Frame[]): Frame[][] {
  const found: Frame[][] = []
  for (const frame of frames) {
    const last = found.at(-1)
    if (last !== undefined && frame.event === 'message' && last[0]!.event === 'message') last.push(frame)
    else found.push([frame])
  }
  return found
}

/** Whether an event's cursor names its own position, and that comes after `last`. */
function isNext(
  frame: Frame,
  data: { position: number },
  last: string | undefined
): frame is Frame & { id: string } {
  const to = parseCursor(frame.id ?? '')
  const from = last === undefined ? 'start' : parseCursor(last)
  if (to === null || to === 'start' || to.position !== data.position) return false
  return from === null || from === 'start' || (from.epoch === to.epoch && to.position > from.position)
}

function parse(frame: Frame): unknown {
  try {
    return JSON.parse(frame.data) as unknown
  } catch (cause) {
    throw new ChatError('untrusted', 'malformed-answer', 'An event is no JSON.', { cause })
  }
}

function replayed(): ChatEvent {
  const message = 'The stream shows an event again, or in the place of another.'
  return { type: 'untrusted', error: untrusted('replayed-event', message) }
}
