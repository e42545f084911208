import pg from 'pg'
import type { Logger } from '../logger.js'
import { topics, type Notifier, type Topic } from './notifier.js'
import { RESPONSE_TIMEOUT_MS, reconnectingNotifier } from './reconnecting.js'

const channel = (topic: Topic) => `secure_chat_${topic}`

/**
 * Notices by LISTEN/NOTIFY, on a connection of its own. It sends them on the same connection, so that a
 * process recognises its own by the backend's pid and ignores them.
 */
export function postgresNotifier(options: pg.ClientConfig, logger: Logger): Notifier {
  return reconnectingNotifier(async ({ onNotice, onLost }) => {
    const client = new pg.Client({ ...options, query_timeout: RESPONSE_TIMEOUT_MS })
    const close = () => client.end()
    client.on('error', onLost)
    client.on('end', () => onLost())
    try {
      await client.connect()
      const { rows: own } = await client.query<{ pid: number }>('select pg_backend_pid() as pid')
      client.on('notification', ({ processId, channel: name }) => {
        if (processId === own[0]?.pid) return
        for (const topic of topics) if (name === channel(topic)) onNotice(topic)
      })
      for (const topic of topics) await client.query(`listen ${channel(topic)}`)
    } catch (error) {
      void close().catch(() => undefined)
      throw error
    }
    return {
      notify: (pending) => client.query(pending.map((topic) => `notify ${channel(topic)}`).join(';')),
      check: () => client.query('select 1'),
      close
    }
  }, logger)
}
