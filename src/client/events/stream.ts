import { Message } from '../../protocol/messages.js'
import { durableEvents, ephemeralEvents, type DurableEvent } from '../../protocol/events.js'
import { parseCursor } from '../../protocol/ids.js'
import type { ChatEvent } from '../types/events.js'
import type { Core } from '../core.js'
import { advanceCursor, readCursor, saveCursor } from './cursor.js'
import { ChatError, RefusedError, isTransient, untrusted } from '../errors.js'
import { EventHandler, type Handled } from './handler.js'
import { linked, sleep } from '../transport/abort.js'
import { readFrames, type Frame } from '../transport/sse.js'
import { checked, fits } from '../transport/response-schema.js'

const LONGEST_PAUSE_MS = 60_000
/** Before the server has said otherwise. */
const FIRST = { retry: 3000, keepalive: 15 }

/** The stream of events, for ever: from the cursor that is kept, over every broken connection. */
export class EventStream {
  readonly #core: Core
  readonly #handler: EventHandler
  readonly #housekeeping: () => Promise<unknown>
  #retry = FIRST.retry
  #keepalive = FIRST.keepalive

  /** @param housekeeping what is to be done whenever the server can be reached again */
  constructor(core: Core, housekeeping: () => Promise<unknown>) {
    this.#core = core
    this.#handler = new EventHandler(core)
    this.#housekeeping = housekeeping
  }

  async *follow(given: AbortSignal): AsyncGenerator<ChatEvent, void, undefined> {
    const end = linked([given, this.#core.http.closed])
    try {
      yield* this.#follow(end.signal)
    } finally {
      end.unlink()
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
        if (!isMishap(failure)) throw failure
        error = failure
        failures++
      }
      const retryIn = this.#pause(failures, error)
      yield { type: 'disconnected', retryIn, ...(error !== undefined && { error }) }
      await sleep(retryIn, signal).catch(() => undefined)
    }
  }

  async *#connection(signal: AbortSignal): AsyncGenerator<ChatEvent, void, undefined> {
    const cursor = await readCursor(this.#core.store)
    const headers = { accept: 'text/event-stream', ...(cursor !== undefined && { 'last-event-id': cursor }) }
    const request = { method: 'GET', path: '/v1/events', headers, signal } as const
    const { response, close } = await this.#core.tokens.withToken((token) =>
      this.#core.http.open({ ...request, token })
    )
    try {
      if (response.body === null)
        throw new ChatError('unreachable', 'no-stream', 'The server sent no stream.')
      let place = cursor
      for await (const frames of readFrames(response.body, () => this.#keepalive * 2500, signal)) {
        // A session ends unless it is refreshed now and then, and a stream ends with it.
        await this.#core.tokens.keep()
        yield* this.#core.outbox.takeRefused()
        for (const run of runs(frames)) {
          if (run[0]!.event === 'message') place = yield* this.#messages(run, place)
          else place = yield* this.#frame(run[0]!, place)
        }
      }
    } finally {
      close()
    }
  }

  /** Messages that arrived together are opened together. */
  async *#messages(
    frames: readonly Frame[],
    place: string | undefined
  ): AsyncGenerator<ChatEvent, string | undefined> {
    const messages: Message[] = []
    const cursors: string[] = []
    let last = place
    for (const frame of frames) {
      const message = checked(Message, parse(frame), 'message')
      if (isNext(frame, message, last)) {
        messages.push(message)
        cursors.push(frame.id)
        last = frame.id
      } else yield replayed()
    }
    let at = 0
    for await (const handled of this.#handler.messages(messages)) yield* this.#shown(handled, cursors[at++])
    return last
  }

  async *#frame(frame: Frame, place: string | undefined): AsyncGenerator<ChatEvent, string | undefined> {
    if (frame.retry !== undefined) this.#retry = Math.min(frame.retry, LONGEST_PAUSE_MS)
    if (frame.event === 'retry') return place
    if (!Object.hasOwn(durableEvents, frame.event)) {
      const moved = yield* this.#ephemeral(frame, place)
      return moved
    }
    const event = frame.event as Exclude<DurableEvent, 'message'>
    const data = checked(durableEvents[event], parse(frame), event)
    if (!isNext(frame, data, place)) {
      yield replayed()
      return place
    }
    for await (const handled of this.#handler.handle(event, data)) yield* this.#shown(handled, undefined)
    await this.#core.store.update((tx) => advanceCursor(tx, frame.id))
    return frame.id
  }

  /** Show what an event comes to; when the next one is asked for, it was handled. */
  async *#shown({ events, commit }: Handled, cursor: string | undefined): AsyncGenerator<ChatEvent, void> {
    yield* events
    if (commit === undefined && cursor === undefined) return
    await this.#core.store.update(async (tx) => {
      await commit?.(tx)
      if (cursor !== undefined) await advanceCursor(tx, cursor)
    })
  }

  async *#ephemeral(frame: Frame, place: string | undefined): AsyncGenerator<ChatEvent, string | undefined> {
    const data = parse(frame)
    if (frame.event === 'ready') {
      const ready = checked(ephemeralEvents.ready, data, 'ready')
      this.#keepalive = Math.min(Math.max(ready.keepaliveSeconds, 1), 300)
      if (place === undefined) await saveCursor(this.#core.store, ready.cursor)
      this.#housekeeping().catch(() => undefined)
      yield { type: 'connected' }
      // Only a reset, which is told, leads back to what was seen before.
      return place ?? ready.cursor
    }
    if (frame.event === 'reset') {
      yield { type: 'reset' }
      return undefined
    }
    if (frame.event === 'session.ended') {
      await this.#core.tokens.end()
      throw new ChatError('logged-out', 'logged-out', 'The session has ended.', { hint: 'Log in again.' })
    }
    if (frame.event === 'presence' && fits(ephemeralEvents.presence, data)) {
      const { username, online, at } = data
      yield { type: 'presence', username, online, at }
    }
    return place
  }

  #pause(failures: number, error: ChatError | undefined): number {
    const asked = error instanceof RefusedError ? (error.retryAfter ?? 0) : 0
    const least = Math.min(this.#retry * 2 ** Math.max(0, failures - 1), LONGEST_PAUSE_MS)
    return Math.max(asked, Math.round(least * (0.5 + this.#core.options.random() / 2)))
  }
}

/** Whether trying again later may help. */
function isMishap(error: unknown): error is ChatError {
  if (!(error instanceof ChatError)) return false
  return (
    error.kind === 'unreachable' ||
    isTransient(error) ||
    error.status === 429 ||
    error.code === 'malformed-answer'
  )
}

/** Messages that follow each other, and every other frame by itself. */
function runs(frames: readonly Frame[]): Frame[][] {
  const found: Frame[][] = []
  for (const frame of frames) {
    const last = found.at(-1)
    if (last !== undefined && frame.event === 'message' && last[0]!.event === 'message') last.push(frame)
    else found.push([frame])
  }
  return found
}

/** Whether an event stands where it says, behind those before it. */
function isNext(
  frame: Frame,
  data: { position: number },
  place: string | undefined
): frame is Frame & { id: string } {
  const to = parseCursor(frame.id ?? '')
  const from = place === undefined ? 'start' : parseCursor(place)
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
