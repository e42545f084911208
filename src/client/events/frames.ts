import { Message } from '../../protocol/messages.js'
import { durableEvents, ephemeralEvents, type DurableEvent } from '../../protocol/events.js'
import { parseCursor } from '../../protocol/cursor.js'
import { cursorBefore } from '../conversations/read-range.js'
import type { ChatEvent } from '../types/events.js'
import type { Store } from '../stores/store.js'
import type { Api } from '../transport/api.js'
import { advanceCursor, saveCursor } from './cursor.js'
import { ChatError, untrusted } from '../errors.js'
import type { Handled } from './handled.js'
import type { EventHandler } from './handler.js'
import type { Frame } from '../transport/sse.js'
import { checked, fits } from '../transport/response-schema.js'

/**
 * The server asks for the pause. An honest one asks for some seconds; one that asks for none and ends each
 * stream at once would keep the client busy for ever.
 */
export const MIN_PAUSE_MS = 1000
export const MAX_PAUSE_MS = 60_000

/** Callbacks of the stream. */
export interface StreamHooks {
  /** Called whenever the stream is connected. */
  connected: () => Promise<unknown>
  /** Called whenever the stream brings something, if only a sign of life. */
  alive: () => Promise<unknown>
  /** Takes events of this client, to be shown among the server's. */
  takeOwn: () => Promise<ChatEvent[]>
}

/** Handles what the server brings, in order, whether by a stream or by polls, and keeps the cursor. */
export class FrameHandler {
  /** Until the server gives its own: the pause before reconnecting, and the interval of its keep-alives. */
  retryMs = 3000
  keepAliveSeconds = 15
  readonly #api: Api
  readonly #store: Store
  readonly #handler: EventHandler
  readonly #hooks: StreamHooks

  constructor(api: Api, store: Store, handler: EventHandler, hooks: StreamHooks) {
    this.#api = api
    this.#store = store
    this.#handler = handler
    this.#hooks = hooks
  }

  /**
   * The server begins to bring events. @param last the cursor that this client has asked for
   *
   * @returns the cursor after which every event has to come, until a reset
   */
  async *begin(cursor: string, last: string | undefined): AsyncGenerator<ChatEvent, string> {
    if (last === undefined) await saveCursor(this.#store, cursor)
    this.#hooks.connected().catch(() => undefined)
    yield { type: 'connected' }
    return last ?? cursor
  }

  /** Handle what has arrived together. @param last the cursor before it @returns the cursor after it */
  async *take(
    frames: readonly Frame[],
    last: string | undefined
  ): AsyncGenerator<ChatEvent, string | undefined> {
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
    return last
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
        await this.#beginAt(frame.id, last)
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
    if (frame.retry !== undefined) this.retryMs = Math.min(Math.max(frame.retry, MIN_PAUSE_MS), MAX_PAUSE_MS)
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
    await this.#beginAt(frame.id, last)
    for await (const handled of this.#handler.handle(event, data)) yield* this.#shown(handled, undefined)
    await this.#store.update((tx) => advanceCursor(tx, frame.id))
    return frame.id
  }

  /** With the first event after a reset another unbroken range begins, maybe in another log. */
  async #beginAt(cursor: string, last: string | undefined): Promise<void> {
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
      this.keepAliveSeconds = Math.min(Math.max(ready.keepaliveSeconds, 1), 300)
      return yield* this.begin(ready.cursor, last)
    }
    if (frame.event === 'reset') {
      yield { type: 'reset' }
      if (!isCursor(frame.id)) return undefined
      await saveCursor(this.#store, frame.id)
      return frame.id
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

function isCursor(text: string | undefined): text is string {
  const cursor = parseCursor(text ?? '')
  return cursor !== null && cursor !== 'start'
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
