import type { Notifier } from '../notifier/notifier.js'
import type { Config } from '../config.js'
import type { Database } from '../db/database.js'
import type { Logger } from '../logger.js'
import { groupCommit, type GroupCommit } from './group-commit.js'
import { readBounds } from './read.js'
import { Tail } from './tail.js'

/** The ordered log of events: the one way to append to it, to read it, and to hear of what is new. */
export interface Log {
  readonly epoch: string
  /** Call a listener with all new entries, in order. */
  listen: Tail['listen']
  /** The part of the log that a reader has missed, from memory. */
  since: Tail['since']
  send: GroupCommit['send']
  /**
   * Call this after a transaction that appended events: this process reads them, and the others are notified.
   */
  changed: () => Promise<void>
  /** Resolves when every accepted send has its result. */
  idle: GroupCommit['idle']
  stop: () => void
}

export async function openLog(
  database: Database,
  notifier: Notifier,
  config: Config['log'],
  logger: Logger
): Promise<Log> {
  const { prepared } = database
  const { epoch, last } = await readBounds(prepared)
  const tail = new Tail({ database, logger, head: last, pollInterval: config.pollIntervalMs })
  const stopListening = notifier.listen('log', () => void tail.look())
  const { send, idle } = groupCommit({
    prepared,
    logger,
    maxQueue: config.maxQueuedMessages,
    maxBatch: config.maxBatchMessages,
    maxWait: config.maxWaitMs,
    onCommit(entries) {
      tail.offer(entries)
      notifier.notify('log')
    }
  })
  return {
    epoch,
    listen: (listener) => tail.listen(listener),
    since: (userId, position, conversations) => tail.since(userId, position, conversations),
    send,
    idle,
    changed() {
      notifier.notify('log')
      return tail.look()
    },
    stop() {
      stopListening()
      tail.stop()
    }
  }
}
