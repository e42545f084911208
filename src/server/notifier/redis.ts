import { randomUUID } from 'node:crypto'
import { createClient } from '@redis/client'
import type { Logger } from '../logger.js'
import { topics, type Notifier, type Topic } from './notifier.js'
import { PATIENCE_MS, reconnectingNotifier } from './reconnecting.js'

/**
 * The bell over PUBLISH and SUBSCRIBE of Redis 6 or Valkey. Nothing is stored there. A ring bears who rang, so that a
 * process recognises its own.
 *
 * @param name of the log: others may use the same Redis
 */
export function redisNotifier(url: string, name: string, logger: Logger): Notifier {
  const self = randomUUID()
  const channel = (topic: Topic) => `secure-chat:${name}:${topic}`
  return reconnectingNotifier(async ({ onRing, onLost }) => {
    const client = createClient({
      url,
      RESP: 3,
      // It would carry on by itself, and as if nothing had been missed.
      socket: { reconnectStrategy: false },
      maintNotifications: 'disabled',
      disableClientInfo: true
    })
    client.on('error', onLost)
    client.on('end', () => onLost())
    const close = async () => {
      if (client.isOpen) client.destroy()
    }
    const late = setTimeout(() => void close(), PATIENCE_MS)
    try {
      await client.connect()
      for (const topic of topics)
        await client.subscribe(channel(topic), (by) => {
          if (by !== self) onRing(topic)
        })
    } catch (error) {
      await close()
      throw error
    } finally {
      clearTimeout(late)
    }
    return {
      ring: (rung) => Promise.all(rung.map((topic) => client.publish(channel(topic), self))),
      check: () => client.ping(),
      close
    }
  }, logger)
}
