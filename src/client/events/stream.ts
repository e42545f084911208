import type { ChatEvent } from '../types/events.js'
import type { Store } from '../stores/store.js'
import type { Api } from '../transport/api.js'
import { readCursor } from './cursor.js'
import { ChatError, isForNow, RefusedError } from '../errors.js'
import { FrameHandler, type StreamHooks } from './frames.js'
import type { EventHandler } from './handler.js'
import { linked, sleep } from '../transport/abort.js'
import { MAX_PAUSE_MS, ServerFrames, type FrameSource } from './server-frames.js'
import { SharedFrames } from './shared-frames.js'

/**
 * Follows the events from the stored cursor, without end: it reconnects whenever the connection breaks.
 */
export class EventStream {
  readonly #api: Api
  readonly #store: Store
  readonly #newHandler: () => FrameHandler
  readonly #server: ServerFrames
  readonly #source: FrameSource
  readonly #random: () => number

  constructor(api: Api, store: Store, handler: EventHandler, hooks: StreamHooks, random: () => number) {
    this.#api = api
    this.#store = store
    this.#newHandler = () => new FrameHandler(api, store, handler, hooks)
    this.#server = new ServerFrames(api)
    this.#source =
      store.sharedAs === undefined || typeof BroadcastChannel === 'undefined'
        ? this.#server
        : new SharedFrames(`secure-chat-events:${store.sharedAs}`, this.#server, random)
    this.#random = random
  }

  /** @throws why the store is lost, if it is: to end in silence would look like a quiet server */
  async *follow(signal: AbortSignal): AsyncGenerator<ChatEvent, void, undefined> {
    const abort = linked([signal, this.#api.closed])
    try {
      yield* this.#follow(abort.signal)
    } finally {
      abort.unlink()
    }
    this.#store.lost?.throwIfAborted()
  }

  async *#follow(signal: AbortSignal): AsyncGenerator<ChatEvent, void, undefined> {
    const handler = this.#newHandler()
    for (let failures = 0; !signal.aborted;) {
      let error: ChatError | undefined
      handler.isConnected = false
      try {
        // Another tab or process may have moved the stored cursor past what this reader has not shown.
        handler.cursor ??= await readCursor(this.#store)
        for await (const frames of this.#source.batches(() => handler.cursor, signal))
          yield* handler.take(frames)
      } catch (failure) {
        if (signal.aborted) return
        if (!isRetryable(failure)) throw failure
        error = failure
      }
      if (handler.isConnected) failures = 0
      if (error !== undefined) failures++
      const retryIn = this.#pause(failures, error)
      yield { type: 'disconnected', retryIn, ...(error !== undefined && { error }) }
      await sleep(retryIn, signal).catch(() => undefined)
    }
  }

  #pause(failures: number, error: ChatError | undefined): number {
    const requested = error instanceof RefusedError ? Math.min(error.retryAfter ?? 0, MAX_PAUSE_MS) : 0
    const least = Math.min(this.#server.retryMs * 2 ** Math.max(0, failures - 1), MAX_PAUSE_MS)
    return Math.max(requested, Math.round(least * (0.5 + this.#random() / 2)))
  }
}

/** Whether trying again later may help. */
function isRetryable(error: unknown): error is ChatError {
  return isForNow(error) || (error instanceof ChatError && error.code === 'malformed-answer')
}
