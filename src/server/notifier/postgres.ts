import pg from 'pg'
import type { Logger } from '../logger.js'
import { topics, type Notifier, type Topic } from './notifier.js'
import { PATIENCE_MS, reconnectingNotifier } from './reconnecting.js'

const channel = (topic: Topic) => `secure_chat_${topic}`

/**
 * The bell over LISTEN/NOTIFY, on a connection of its own. It notifies over the same one, so that a process recognises
 * its own rings by the backend's pid and does not look twice.
 */
export function postgresNotifier(options: pg.ClientConfig, logger: Logger): Notifier {
  return reconnectingNotifier(async ({ onRing, onLost }) => {
    const client = new pg.Client({ ...options, query_timeout: PATIENCE_MS })
    const close = () => client.end()
    client.on('error', onLost)
    client.on('end', () => onLost())
    try {
      await client.connect()
      const { rows: own } = await client.query<{ pid: number }>('select pg_backend_pid() as pid')
      client.on('notification', ({ processId, channel: rung }) => {
        if (processId === own[0]?.pid) return
        for (const topic of topics) if (rung === channel(topic)) onRing(topic)
      })
      for (const topic of topics) await client.query(`listen ${channel(topic)}`)
    } catch (error) {
      void close().catch(() => undefined)
      throw error
    }
    return {
      ring: (rung) => client.query(rung.map((topic) => `notify ${channel(topic)}`).join(';')),
      check: () => client.query('select 1'),
      close
    }
  }, logger)
}
