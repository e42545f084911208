import { Message } from '../../protocol/messages.js'
import { durableEvents, ephemeralEvents, type DurableEvent } from '../../protocol/events.js'
import { parseCursor } from '../../protocol/cursor.js'
import { cursorBefore } from '../stores/read-range.js'
import type { ChatEvent } from '../types/events.js'
import type { Store } from '../stores/store.js'
import type { Api } from '../transport/api.js'
import { advanceCursor, beginAtFirst, saveCursor } from './cursor.js'
import { HELD_BACK, parseFrame } from './server-frames.js'
import { ChatError, untrusted } from '../errors.js'
import type { Handled } from '../identity/handled.js'
import type { EventHandler } from './handler.js'
import type { Frame } from '../transport/sse.js'
import { checked, fits } from '../transport/response-schema.js'

/** Callbacks of the stream. */
export interface StreamHooks {
  /** Called whenever the stream is connected. */
  connected: () => Promise<unknown>
  /** Called whenever the stream brings something, if only a sign of life. */
  alive: () => Promise<unknown>
  /** Takes events of this client, to be shown among the server's. */
  takeOwn: () => AsyncIterable<Handled>
}

/**
 * Handles for one reader what the server brings, in order, whether by a stream or by polls. It keeps the cursor in the
 * store, too, where the next reader begins: others of the same store may be further by now, or not as far.
 */
export class FrameHandler {
  /** The cursor of the last event that this reader has handled. */
  cursor: string | undefined
  /** Whether the reader was told that events come. */
  isConnected = false
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

  /** The server begins to bring events after this cursor, if none was asked for. */
  async *#begin(cursor: string): AsyncGenerator<ChatEvent, void> {
    if (this.cursor === undefined) await saveCursor(this.#store, cursor)
    this.cursor ??= cursor
    if (this.isConnected) return
    this.isConnected = true
    this.#hooks.connected().catch(() => undefined)
    yield { type: 'connected' }
  }

  /** Handle what has arrived together. */
  async *take(frames: readonly Frame[]): AsyncGenerator<ChatEvent, void> {
    // A session that is not refreshed ends, and its stream with it.
    await this.#api.refreshIfDue()
    this.#hooks.alive().catch(() => undefined)
    yield* this.#own()
    for (const group of grouped(frames)) {
      if (group[0]!.event === 'message') yield* this.#messages(group)
      else yield* this.#frame(group[0]!)
      // An alarm stands beside what has raised it. The next frames may come in some seconds only.
      yield* this.#own()
    }
  }

  async *#own(): AsyncGenerator<ChatEvent, void> {
    for await (const handled of this.#hooks.takeOwn()) yield* this.#shown(handled, undefined)
  }

  /** Messages that arrived together are decrypted together. */
  async *#messages(frames: readonly Frame[]): AsyncGenerator<ChatEvent, void> {
    const messages: Message[] = []
    const cursors: string[] = []
    for (const frame of frames) {
      const message = checked(Message, parseFrame(frame.data), 'message')
      const last = cursors.at(-1) ?? this.cursor
      if (isNext(frame, message, last)) {
        await this.#beginAt(frame.id, last)
        messages.push(message)
        cursors.push(frame.id)
      } else yield replayed()
    }
    let at = 0
    for await (const handled of this.#handler.messages(messages)) {
      const cursor = cursors[at++]!
      yield* this.#shown(handled, cursor)
      this.cursor = cursor
    }
  }

  async *#frame(frame: Frame): AsyncGenerator<ChatEvent, void> {
    if (frame.event === 'retry') return
    if (!Object.hasOwn(durableEvents, frame.event)) return yield* this.#ephemeral(frame)
    const event = frame.event as Exclude<DurableEvent, 'message'>
    const data = checked(durableEvents[event], parseFrame(frame.data), event)
    if (!isNext(frame, data, this.cursor)) {
      yield replayed()
      return
    }
    await this.#beginAt(frame.id, this.cursor)
    for await (const handled of this.#handler.handle(event, data)) yield* this.#shown(handled, undefined)
    await this.#store.update((tx) => advanceCursor(tx, frame.id))
    this.cursor = frame.id
  }

  /** With the first event after a reset another unbroken range begins, maybe in another log. */
  async #beginAt(cursor: string, last: string | undefined): Promise<void> {
    if (last === undefined) await saveCursor(this.#store, cursorBefore(cursor))
    else if (parseCursor(last) === 'start') await beginAtFirst(this.#store, cursorBefore(cursor))
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

  async *#ephemeral(frame: Frame): AsyncGenerator<ChatEvent, void> {
    if (frame.event === HELD_BACK.event) {
      this.isConnected = false
      yield { type: 'disconnected', retryIn: 0, error: heldBack() }
      return
    }
    if (frame.event === 'begun' && isCursor(frame.id)) return yield* this.#begin(frame.id)
    const data = parseFrame(frame.data)
    if (frame.event === 'ready')
      return yield* this.#begin(checked(ephemeralEvents.ready, data, 'ready').cursor)
    if (frame.event === 'reset') {
      yield { type: 'reset' }
      this.cursor = isCursor(frame.id) ? frame.id : undefined
      if (this.cursor !== undefined) await saveCursor(this.#store, this.cursor)
    }
    if (frame.event === 'session.ended') {
      await this.#api.ended()
      return
    }
    if (frame.event === 'presence' && fits(ephemeralEvents.presence, data)) {
      const { username, online, at } = data
      yield { type: 'presence', username, online, at }
    }
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

function replayed(): ChatEvent {
  const message = 'The stream shows an event again, or in the place of another.'
  return { type: 'untrusted', error: untrusted('replayed-event', message) }
}

function heldBack(): ChatError {
  const message = 'Something in between holds back the stream of events, such as a proxy or a virus scanner.'
  const hint = 'Events come by polls instead. Have it pass /v1/events without buffering.'
  return new ChatError('unreachable', 'held-back-stream', message, { hint })
}
