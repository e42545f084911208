import type { Logger } from '../logger.js'
import { topics, type Notifier, type Topic } from './notifier.js'

/** For another end to answer. */
export const PATIENCE_MS = 5000
const HEARTBEAT_MS = 10_000
const MIN_BACKOFF_MS = 100
const MAX_BACKOFF_MS = 5000

/** One connection to whatever carries the rings. */
export interface NotifierConnection {
  /** Ring at the other processes. */
  ring: (rung: readonly Topic[]) => Promise<unknown>
  /** Resolves when the other end has answered. */
  check: () => Promise<unknown>
  close: () => Promise<unknown>
}

/** Connect and listen; reject, leaving nothing open, where that fails or takes longer than `PATIENCE_MS`. */
export type ConnectNotifier = (told: {
  /** Another process has rung: not this one. */
  onRing: (topic: Topic) => void
  onLost: (error?: Error) => void
}) => Promise<NotifierConnection>

/** A bell over one connection at a time, that is made anew for ever. */
export function reconnectingNotifier(connect: ConnectNotifier, logger: Logger): Notifier {
  const listeners = new Map<Topic, Set<() => void>>(topics.map((topic) => [topic, new Set()]))
  const wanted = new Set<Topic>()
  let connection: NotifierConnection | null = null
  let backoff = MIN_BACKOFF_MS
  let isRinging = false
  let isClosed = false
  let timer: NodeJS.Timeout | undefined

  const look = (topic: Topic) => {
    for (const onRing of listeners.get(topic)!) onRing()
  }

  async function open(): Promise<void> {
    let isLost = false
    let opened: NotifierConnection | undefined
    const close = () => void opened?.close().catch(() => undefined)
    const onLost = (error?: Error) => {
      if (isLost) return
      isLost = true
      connection = null
      clearTimeout(timer)
      close()
      if (isClosed) return
      logger.warn({ err: error }, 'the bell lost its connection; polling until it is back')
      timer = setTimeout(() => void open(), backoff)
      backoff = Math.min(backoff * 2, MAX_BACKOFF_MS)
    }
    try {
      opened = await connect({ onRing: look, onLost })
    } catch (error) {
      return onLost(error as Error)
    }
    if (isClosed || isLost) return close()
    connection = opened
    backoff = MIN_BACKOFF_MS
    heartbeat(opened, onLost)
    for (const topic of topics) look(topic)
    ring()
  }

  /** A connection whose other end hangs looks fine until it is asked something. */
  function heartbeat(over: NotifierConnection, onLost: (error: Error) => void): void {
    timer = setTimeout(() => {
      timer = setTimeout(() => onLost(new Error('no answer')), PATIENCE_MS)
      over.check().then(() => {
        if (connection !== over) return
        clearTimeout(timer)
        heartbeat(over, onLost)
      }, onLost)
    }, HEARTBEAT_MS)
    timer.unref()
  }

  /** Rings that come while one is under way are merged into the next one. */
  function ring(): void {
    if (connection === null || isRinging || wanted.size === 0) return
    isRinging = true
    const rung = [...wanted]
    wanted.clear()
    connection
      .ring(rung)
      .catch((error: unknown) => logger.debug({ err: error }, 'a ring was lost'))
      .finally(() => {
        isRinging = false
        ring()
      })
  }

  void open()
  return {
    notify(topic) {
      wanted.add(topic)
      ring()
    },
    listen(topic, onRing) {
      listeners.get(topic)!.add(onRing)
      return () => listeners.get(topic)!.delete(onRing)
    },
    async close() {
      isClosed = true
      clearTimeout(timer)
      await connection?.close().catch(() => undefined)
    }
  }
}
