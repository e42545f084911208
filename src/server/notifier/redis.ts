import { randomUUID } from 'node:crypto'
import type { Logger } from '../logger.js'
import { topics, type Notifier, type Topic } from './notifier.js'
import { RESPONSE_TIMEOUT_MS, reconnectingNotifier } from './reconnecting.js'

/**
 * Notices by PUBLISH and SUBSCRIBE of Redis 6 or Valkey. Nothing is stored there. A notice names its sender,
 * so that a process recognises its own and ignores them.
 *
 * @param name of the log: other services may use the same Redis
 */
export function redisNotifier(url: string, name: string, logger: Logger): Notifier {
  const self = randomUUID()
  const channel = (topic: Topic) => `secure-chat:${name}:${topic}`
  return reconnectingNotifier(async ({ onNotice, onLost }) => {
    // Loaded only if it is used: it takes some MB.
    const { createClient } = await import('@redis/client')
    const client = createClient({
      url,
      RESP: 3,
      // The client would reconnect silently, and notices in between would be lost unnoticed.
      socket: { reconnectStrategy: false },
      maintNotifications: 'disabled',
      disableClientInfo: true
    })
    client.on('error', onLost)
    client.on('end', () => onLost())
    const close = async () => {
      if (client.isOpen) client.destroy()
    }
    const late = setTimeout(() => void close(), RESPONSE_TIMEOUT_MS)
    try {
      await client.connect()
      for (const topic of topics)
        await client.subscribe(channel(topic), (sender) => {
          if (sender !== self) onNotice(topic)
        })
    } catch (error) {
      await close()
      throw error
    } finally {
      clearTimeout(late)
    }
    return {
      notify: (pending) => Promise.all(pending.map((topic) => client.publish(channel(topic), self))),
      check: () => client.ping(),
      close
    }
  }, logger)
}
