import type { Socket } from 'node:net'
import type { Entry } from '../../log/entry.js'
import { readVisible } from '../../log/read.js'
import type { DeviceSession } from '../../access/auth.js'
import { formatCursor } from '../../../protocol/cursor.js'
import type { Services } from '../../services.js'
import { frame } from '../../http/event-frame.js'
import type { OpenStream } from '../../streaming/hub.js'
import { RETRY_MS, durableFrame } from './frame.js'
import type { Semaphore } from '../../streaming/semaphore.js'
import type { Resumed } from './resume.js'

export const KEEPALIVE_SECONDS = 15
const KEEPALIVE = Buffer.from(': keep-alive\n\n')
const PAGE = 200
/** A client that takes nothing for so long is gone, or as good as gone; it can resume. */
const STALLED_MS = 60_000
/** For the last words of a stream to leave. */
const FAREWELL_MS = 2000

/** All that the streams of a process share. */
export interface Source extends Pick<Services, 'config' | 'database' | 'hub' | 'log' | 'logger'> {
  /** Bounds the reading of pages: streams that catch up together must not take all connections, nor fill the memory. */
  slots: Semaphore
}

/**
 * One open event stream: a cursor over the log. While it lags it reads pages, waiting for the socket in between;
 * once it has caught up it takes what the tail delivers, until more is buffered than it may be; then it lags
 * again. So memory per stream is bounded, and no event is lost or doubled.
 *
 * Thousands of streams are idle at a time: this object, its session and the socket are all that one of them keeps.
 */
export class EventStream implements OpenStream {
  session: DeviceSession
  through: number
  readonly #source: Source
  readonly #socket: Socket
  readonly #endsAt: number
  #lastWrite = performance.now()
  /** `lagging` waits for the socket to drain, and then reads on. */
  #state: 'reading' | 'lagging' | 'live' | 'ended' = 'lagging'

  constructor(source: Source, session: DeviceSession, socket: Socket, start: Resumed) {
    this.#source = source
    this.session = session
    this.through = start.caughtUp?.last ?? start.position
    this.#socket = socket
    // Jitter keeps streams that began together, after a restart say, from ending together.
    const lifetime = source.config.streams.lifetimeSeconds * 1000
    this.#endsAt = performance.now() + lifetime * (0.9 + 0.1 * Math.random())
    socket.on('close', () => this.#close())
    socket.on('drain', () => {
      if (this.#state === 'lagging') this.#read()
    })
  }

  /** Say hello, and serve the stream until it ends. */
  begin({ position, reset, caughtUp }: Resumed): void {
    const ready = {
      cursor: formatCursor({ epoch: this.#source.log.epoch, position }),
      deviceId: this.session.deviceId,
      keepaliveSeconds: KEEPALIVE_SECONDS
    }
    const lost = reset === null ? '' : frame('reset', JSON.stringify({ position: reset }))
    this.#write(`retry: ${RETRY_MS}\n\n${frame('ready', JSON.stringify(ready))}${lost}`)
    if (caughtUp === null) this.#read()
    else this.#join(caughtUp.conversations)
  }

  /** Read one page. */
  #read(): void {
    const { config, database, logger, slots } = this.#source
    const size = { events: PAGE, bytes: config.streams.bufferBytes }
    this.#state = 'reading'
    slots
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
        logger.warn({ err: error }, 'a stream broke off; its client resumes')
        this.#socket.destroy()
      })
  }

  /** Take new entries from now on, unless too many have come meanwhile. */
  #join(conversations: readonly string[]): void {
    const since = this.#source.hub.subscribe(this, conversations)
    if (since === null) return this.#read()
    this.#state = 'live'
    this.#writeEntries(since)
  }

  deliver(entries: readonly Entry[]): void {
    if (this.#state !== 'live') return
    this.#writeEntries(entries)
    if (!this.#isFull) return
    this.#source.hub.unsubscribe(this)
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

  end(why: 'revoked' | 'expired' | 'stopping'): void {
    // All clients of a server that stops would otherwise come back at the same moment.
    if (why === 'stopping') this.#finish(`retry: ${1000 + Math.floor(Math.random() * 4000)}\n\n`)
    else this.#finish(frame('session.ended', JSON.stringify({ reason: why })))
  }

  get #isFull(): boolean {
    return this.#socket.writableLength > this.#source.config.streams.bufferBytes
  }

  #finish(lastWords: string): void {
    if (this.#state === 'ended') return
    this.#socket.end(lastWords)
    setTimeout(() => this.#socket.destroy(), FAREWELL_MS).unref()
    this.#close()
  }

  #close(): void {
    this.#state = 'ended'
    this.#source.hub.remove(this)
  }

  #writeEntries(entries: readonly Entry[]): void {
    if (entries.length === 0) return
    const { epoch } = this.#source.log
    const frames = entries.map((entry) => durableFrame(epoch, entry))
    this.#write(frames.length === 1 ? frames[0]! : Buffer.concat(frames))
  }

  #write(chunk: string | Buffer): void {
    if (this.#state === 'ended') return
    this.#lastWrite = performance.now()
    this.#socket.write(chunk)
  }
}
