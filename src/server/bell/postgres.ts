import pg from 'pg'
import type { Logger } from '../logger.js'
import { topics, type Bell, type Topic } from './bell.js'

const channel = (topic: Topic) => `secure_chat_${topic}`
const HEARTBEAT_MS = 10_000
const MIN_BACKOFF_MS = 100
const MAX_BACKOFF_MS = 5000

/**
 * The bell over LISTEN/NOTIFY, on one connection of its own that reconnects for ever. It notifies over the same
 * connection, so that a process recognises its own rings by the backend's pid and does not look twice.
 */
export function postgresBell(options: pg.ClientConfig, logger: Logger): Bell {
  const listeners = new Map<Topic, Set<() => void>>(topics.map((topic) => [topic, new Set()]))
  const wanted = new Set<Topic>()
  let client: pg.Client | null = null
  let notifying = false
  let closed = false
  let timer: NodeJS.Timeout | undefined

  const look = (topic: Topic) => {
    for (const onRing of listeners.get(topic)!) onRing()
  }

  async function connect(backoff: number): Promise<void> {
    const next = new pg.Client({ ...options, query_timeout: 5000 })
    let lost = false
    const onLost = (error?: Error) => {
      if (lost) return
      lost = true
      client = null
      clearTimeout(timer)
      void next.end().catch(() => undefined)
      if (closed) return
      logger.warn({ err: error }, 'the bell lost its connection; polling until it is back')
      timer = setTimeout(() => void connect(Math.min(backoff * 2, MAX_BACKOFF_MS)), backoff)
    }
    next.on('error', onLost)
    next.on('end', () => onLost())
    try {
      await next.connect()
      const own = await next.query<{ pid: number }>('select pg_backend_pid() as pid')
      next.on('notification', (message) => {
        if (message.processId === own.rows[0]?.pid) return
        for (const topic of topics) if (message.channel === channel(topic)) look(topic)
      })
      for (const topic of topics) await next.query(`listen ${channel(topic)}`)
    } catch (error) {
      onLost(error as Error)
      return
    }
    if (closed || lost) return onLost()
    client = next
    backoff = MIN_BACKOFF_MS
    heartbeat(next, onLost)
    for (const topic of topics) look(topic)
    notify()
  }

  /** A connection whose other end hangs looks fine until it is asked something. */
  function heartbeat(over: pg.Client, onLost: (error: Error) => void): void {
    timer = setTimeout(() => {
      over.query('select 1').then(() => heartbeat(over, onLost), onLost)
    }, HEARTBEAT_MS)
    timer.unref()
  }

  /** Rings that come while a NOTIFY is under way are merged into the next one. */
  function notify(): void {
    if (client === null || notifying || wanted.size === 0) return
    notifying = true
    const rung = [...wanted]
    wanted.clear()
    client
      .query(rung.map((topic) => `notify ${channel(topic)}`).join(';'))
      .catch((error: unknown) => logger.debug({ err: error }, 'a ring was lost'))
      .finally(() => {
        notifying = false
        notify()
      })
  }

  void connect(MIN_BACKOFF_MS)
  return {
    ring(topic) {
      wanted.add(topic)
      notify()
    },
    listen(topic, onRing) {
      listeners.get(topic)!.add(onRing)
      return () => listeners.get(topic)!.delete(onRing)
    },
    async close() {
      closed = true
      clearTimeout(timer)
      await client?.end().catch(() => undefined)
    }
  }
}
