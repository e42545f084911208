import type { ServerResponse } from 'node:http'
import type { Entry } from '../../log/entry.js'
import { readVisible } from '../../log/read.js'
import type { Subscriber } from '../../log/tail.js'
import type { DeviceSession } from '../../auth.js'
import type { Services } from '../../services.js'
import { frame } from '../../sse.js'
import type { OpenStream } from '../../streams.js'
import { RETRY_MS, durableFrame } from './frame.js'
import type { ReadSlots } from './read-slots.js'
import { cursorAt, type Start } from './start.js'

export const KEEPALIVE_SECONDS = 15
const KEEPALIVE = Buffer.from(': keep-alive\n\n')
const PAGE = 200
/** A client that takes nothing for so long is gone, or as good as gone; it can resume. */
const STALLED_MS = 60_000
/** For the last words of a stream to leave. */
const FAREWELL_MS = 2000

/**
 * One open event stream: a cursor over the log. While it lags it reads pages, waiting for the socket in between;
 * once it has caught up it takes what the tail delivers, until more is buffered than it may be; then it lags
 * again. So memory per stream is bounded, and no event is lost or doubled.
 */
export class EventStream implements Subscriber, OpenStream {
  session: DeviceSession
  readonly userId: string
  through: number
  readonly #services: Services
  readonly #slots: ReadSlots
  readonly #raw: ServerResponse
  readonly #endsAt: number
  #lastWrite = Date.now()
  #ended = false
  #live = false
  /** Wakes the loop: the socket has drained, the stream lags, or it has ended. */
  #wake: () => void = () => undefined

  constructor(
    services: Services,
    slots: ReadSlots,
    session: DeviceSession,
    raw: ServerResponse,
    start: Start
  ) {
    this.#services = services
    this.#slots = slots
    this.session = session
    this.userId = session.userId
    this.through = start.position
    this.#raw = raw
    // Jitter keeps streams that began together, after a restart say, from ending together.
    this.#endsAt = Date.now() + services.config.STREAM_LIFETIME * 1000 * (0.9 + 0.1 * Math.random())
    raw.on('close', () => this.#close())
    // A write that meets a socket just gone fails here; `close` follows.
    raw.on('error', () => undefined)
    raw.on('drain', () => this.#wake())
  }

  /** Serve the stream until it ends. */
  async run({ reset }: Start): Promise<void> {
    const { log } = this.#services
    const ready = {
      cursor: cursorAt(log, this.through),
      deviceId: this.session.deviceId,
      keepaliveSeconds: KEEPALIVE_SECONDS
    }
    this.#write(`retry: ${RETRY_MS}\n\n${frame('ready', JSON.stringify(ready))}`)
    if (reset !== null) this.#write(frame('reset', JSON.stringify({ position: reset })))
    try {
      while (!this.#ended) {
        await this.#catchUp()
        await this.#until(() => !this.#live)
        await this.#until(() => !this.#raw.writableNeedDrain)
      }
    } finally {
      log.tail.detach(this)
    }
  }

  /** Read pages until the tail takes over. */
  async #catchUp(): Promise<void> {
    const { config, database, log } = this.#services
    const size = { events: PAGE, bytes: config.STREAM_BUFFER }
    while (!this.#ended) {
      const page = await this.#slots.run(() => readVisible(database.hot, this.userId, this.through, size))
      if (this.#ended) return
      this.#writeEntries(page.entries)
      this.through = page.through
      if (page.conversations !== null && !this.#raw.writableNeedDrain) {
        const since = log.tail.attach(this, page.through, page.conversations)
        if (since !== null) {
          this.#live = true
          this.#writeEntries(since)
          return
        }
      }
      await this.#until(() => !this.#raw.writableNeedDrain)
    }
  }

  deliver(entries: readonly Entry[]): void {
    this.#writeEntries(entries)
    if (this.#raw.writableLength <= this.#services.config.STREAM_BUFFER) return
    this.#services.log.tail.detach(this)
    this.#live = false
    this.#wake()
  }

  announce(frames: string): void {
    if (this.#live && this.#raw.writableLength <= this.#services.config.STREAM_BUFFER) this.#write(frames)
  }

  tick(now: number): void {
    if (now >= this.#endsAt) this.#finish('')
    else if (this.#raw.writableNeedDrain) {
      if (now - this.#lastWrite > STALLED_MS) this.#raw.destroy()
    } else if (now - this.#lastWrite >= KEEPALIVE_SECONDS * 1000) this.#write(KEEPALIVE)
  }

  end(why: 'revoked' | 'expired' | 'stopping'): void {
    // All clients of a server that stops would otherwise come back at the same moment.
    if (why === 'stopping') this.#finish(`retry: ${1000 + Math.floor(Math.random() * 4000)}\n\n`)
    else this.#finish(frame('session.ended', JSON.stringify({ reason: why })))
  }

  #finish(lastWords: string): void {
    if (this.#ended) return
    this.#raw.end(lastWords)
    setTimeout(() => this.#raw.destroy(), FAREWELL_MS).unref()
    this.#close()
  }

  #close(): void {
    this.#ended = true
    this.#live = false
    this.#services.log.tail.detach(this)
    this.#services.streams.remove(this)
    this.#wake()
  }

  #writeEntries(entries: readonly Entry[]): void {
    if (entries.length === 0) return
    const { epoch } = this.#services.log
    const frames = entries.map((entry) => durableFrame(epoch, entry))
    this.#write(frames.length === 1 ? frames[0]! : Buffer.concat(frames))
  }

  #write(chunk: string | Buffer): void {
    if (this.#ended) return
    this.#lastWrite = Date.now()
    this.#raw.write(chunk)
  }

  async #until(condition: () => boolean): Promise<void> {
    while (!this.#ended && !condition()) await new Promise<void>((resolve) => (this.#wake = resolve))
  }
}
