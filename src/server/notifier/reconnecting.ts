import type { Logger } from '../logger.js'
import { topics, type Notifier, type Topic } from './notifier.js'

/** How long the other end may take to respond. */
export const RESPONSE_TIMEOUT_MS = 5000
const HEARTBEAT_MS = 10_000
const MIN_BACKOFF_MS = 100
const MAX_BACKOFF_MS = 5000

/** One connection to the service that carries the notices. */
export interface NotifierConnection {
  /** Notify the other processes. */
  notify: (pending: readonly Topic[]) => Promise<unknown>
  /** Resolves when the other end has responded. */
  check: () => Promise<unknown>
  close: () => Promise<unknown>
}

/**
 * Connect and listen. If that fails or takes longer than `RESPONSE_TIMEOUT_MS`, reject and leave nothing
 * open.
 */
export type ConnectNotifier = (handlers: {
  /** Another process, not this one, has sent a notice. */
  onNotice: (topic: Topic) => void
  onLost: (error?: Error) => void
}) => Promise<NotifierConnection>

/** A notifier over one connection at a time. When it is lost, it is opened again, without end. */
export function reconnectingNotifier(connect: ConnectNotifier, logger: Logger): Notifier {
  const listeners = new Map<Topic, Set<() => void>>(topics.map((topic) => [topic, new Set()]))
  const pending = new Set<Topic>()
  let connection: NotifierConnection | null = null
  let backoff = MIN_BACKOFF_MS
  let isNotifying = false
  let isClosed = false
  /** The loss is in the log. */
  let isLogged = false
  let timer: NodeJS.Timeout | undefined

  const onNotice = (topic: Topic) => {
    for (const listener of listeners.get(topic)!) listener()
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
      if (!isLogged)
        logger.warn({ err: error }, 'the notifier has lost its connection; polling until it is back')
      isLogged = true
      timer = setTimeout(() => void open(), backoff)
      backoff = Math.min(backoff * 2, MAX_BACKOFF_MS)
    }
    try {
      opened = await connect({ onNotice, onLost })
    } catch (error) {
      return onLost(error as Error)
    }
    if (isClosed || isLost) return close()
    connection = opened
    if (isLogged) logger.info('the notifier is connected again')
    isLogged = false
    backoff = MIN_BACKOFF_MS
    heartbeat(opened, onLost)
    // Notices may have been lost meanwhile.
    for (const topic of topics) onNotice(topic)
    send()
  }

  /** A connection whose other end hangs looks fine until a response is due. */
  function heartbeat(over: NotifierConnection, onLost: (error: Error) => void): void {
    timer = setTimeout(() => {
      timer = setTimeout(() => onLost(new Error('no response')), RESPONSE_TIMEOUT_MS)
      over.check().then(() => {
        if (connection !== over) return
        clearTimeout(timer)
        heartbeat(over, onLost)
      }, onLost)
    }, HEARTBEAT_MS)
    timer.unref()
  }

  /** Notices that come while one is under way are merged into the next one. */
  function send(): void {
    if (connection === null || isNotifying || pending.size === 0) return
    isNotifying = true
    const sent = [...pending]
    pending.clear()
    connection
      .notify(sent)
      .catch((error: unknown) => logger.debug({ err: error }, 'a notice was lost'))
      .finally(() => {
        isNotifying = false
        send()
      })
  }

  void open()
  return {
    notify(topic) {
      pending.add(topic)
      send()
    },
    listen(topic, listener) {
      listeners.get(topic)!.add(listener)
      return () => listeners.get(topic)!.delete(listener)
    },
    async close() {
      isClosed = true
      clearTimeout(timer)
      await connection?.close().catch(() => undefined)
    }
  }
}
