import type { Socket } from 'node:net'
import type { Entry } from '../../log/entry.js'
import { readVisible } from '../../log/read.js'
import type { DeviceSession } from '../../access/auth.js'
import { formatCursor } from '../../../protocol/cursor.js'
import type { Services } from '../../services.js'
import { frame } from '../../http/event-frame.js'
import type { EndReason, OpenStream } from '../../streaming/open-stream.js'
import { RETRY_MS, durableFrame } from './frame.js'
import type { Semaphore } from '../../streaming/semaphore.js'
import type { StartPoint } from './resume.js'

export const KEEPALIVE_SECONDS = 15
const KEEPALIVE = Buffer.from(': keep-alive\n\n')
const PAGE = 200
/** A client that reads nothing for so long counts as gone; it can resume. */
const STALLED_MS = 60_000
/** A stream that was replaced may come back after this. */
const REPLACED_RETRY_MS = 60_000
/** How long the last frame of a stream may take to leave. */
const END_MS = 2000

/** All that the streams of a process share. */
export interface StreamParts extends Pick<Services, 'config' | 'database' | 'hub' | 'log'> {
  /** Bounds the pages that are read at once. */
  reads: Semaphore
}

/**
 * One open event stream: a cursor over the log. While it lags it reads pages, and waits for the socket in
 * between. Once it has caught up it gets new entries from the hub, until too much is buffered; then it lags
 * again. So the memory of a stream is bounded, and no event is lost or sent twice.
 *
 * Thousands of streams are idle at a time: each keeps only this object, its session and its socket.
 */
export class EventStream implements OpenStream {
  session: DeviceSession
  readonly network: string
  through: number
  readonly #parts: StreamParts
  readonly #socket: Socket
  readonly #endsAt: number
  #lastWrite = performance.now()
  /** `lagging`: the stream reads on when the socket has drained. */
  #state: 'reading' | 'lagging' | 'live' | 'ended' = 'lagging'

  constructor(
    parts: StreamParts,
    { session, network }: { session: DeviceSession; network: string },
    socket: Socket,
    start: StartPoint
  ) {
    this.#parts = parts
    this.session = session
    this.network = network
    this.through = start.caughtUp?.last ?? start.position
    this.#socket = socket
    // With jitter, streams that started together, as after a restart, do not end together.
    const lifetime = parts.config.streams.lifetimeSeconds * 1000
    this.#endsAt = performance.now() + lifetime * (0.9 + 0.1 * Math.random())
    socket.on('close', () => this.#close())
    socket.on('drain', () => {
      if (this.#state === 'lagging') this.#read()
    })
  }

  /** Write the first frames, and serve the stream until it ends. */
  start({ position, reset, caughtUp }: StartPoint): void {
    const cursor = formatCursor({ epoch: this.#parts.log.epoch, position })
    const ready = {
      cursor,
      deviceId: this.session.deviceId,
      keepaliveSeconds: KEEPALIVE_SECONDS
    }
    // With an id, so that a browser's `EventSource` resumes here even if the connection breaks before any event.
    const lost = reset === null ? '' : frame('reset', JSON.stringify({ position: reset }), cursor)
    this.#write(`retry: ${RETRY_MS}\n\n${frame('ready', JSON.stringify(ready), cursor)}${lost}`)
    if (caughtUp === null) this.#read()
    else this.#join(caughtUp.conversations)
  }

  /** Read one page. */
  #read(): void {
    const { config, database, reads } = this.#parts
    const size = { events: PAGE, bytes: config.streams.bufferBytes }
    this.#state = 'reading'
    reads
      .run(() => readVisible(database.prepared, this.session.userId, this.through, size))
      .then(({ entries, through, conversations }) => {
        if (this.#state !== 'reading') return
        this.#writeEntries(entries)
        this.through = through
        if (this.#socket.writableNeedDrain) this.#state = 'lagging'
        else if (conversations === null) this.#read()
        else this.#join(conversations)
      })
      .catch((error: unknown) => {
        database.logFailure(error, 'a stream broke off; its client resumes')
        this.#socket.destroy()
      })
  }

  /** Take new entries from now on, unless too many have come meanwhile. */
  #join(conversations: readonly string[]): void {
    const since = this.#parts.hub.subscribe(this, conversations)
    if (since === null) return this.#read()
    this.#state = 'live'
    this.#writeEntries(since)
  }

  deliver(entries: readonly Entry[]): void {
    if (this.#state !== 'live') return
    this.#writeEntries(entries)
    if (!this.#isFull) return
    this.#parts.hub.unsubscribe(this)
    if (this.#socket.writableNeedDrain) this.#state = 'lagging'
    else this.#read()
  }

  announce(frames: string): void {
    if (this.#state === 'live' && !this.#isFull) this.#write(frames)
  }

  tick(now: number): void {
    if (now >= this.#endsAt) this.#finish('')
    else if (this.#socket.writableNeedDrain) {
      if (now - this.#lastWrite > STALLED_MS) this.#socket.destroy()
    } else if (now - this.#lastWrite >= KEEPALIVE_SECONDS * 1000) this.#write(KEEPALIVE)
  }

  end(reason: EndReason): void {
    // A client that has too many does not hurry to replace another one.
    if (reason === 'replaced') return this.#finish(`retry: ${REPLACED_RETRY_MS}\n\n`)
    // Spread out, or all clients of a stopping server would reconnect at the same moment.
    if (reason === 'stopping') this.#finish(`retry: ${1000 + Math.floor(Math.random() * 4000)}\n\n`)
    else this.#finish(frame('session.ended', JSON.stringify({ reason })))
  }

  get #isFull(): boolean {
    return this.#socket.writableLength > this.#parts.config.streams.bufferBytes
  }

  #finish(lastFrame: string): void {
    if (this.#state === 'ended') return
    this.#socket.end(lastFrame)
    setTimeout(() => this.#socket.destroy(), END_MS).unref()
    this.#close()
  }

  #close(): void {
    this.#state = 'ended'
    this.#parts.hub.remove(this)
  }

  #writeEntries(entries: readonly Entry[]): void {
    if (entries.length === 0) return
    const { epoch } = this.#parts.log
    const frames = entries.map((entry) => durableFrame(epoch, entry))
    this.#write(frames.length === 1 ? frames[0]! : Buffer.concat(frames))
  }

  #write(chunk: string | Buffer): void {
    if (this.#state === 'ended') return
    this.#lastWrite = performance.now()
    this.#socket.write(chunk)
  }
}
