import type { Notifier } from '../notifier/notifier.js'
import type { Config } from '../config.js'
import type { Database } from '../db/database.js'
import type { Logger } from '../logger.js'
import { groupCommit, type GroupCommit } from './group-commit.js'
import { readBounds } from './read.js'
import { Tail } from './tail.js'

/** The log as the rest of the server knows it. */
export interface Log {
  readonly epoch: string
  /** Call a listener with all new entries, in order. */
  listen: Tail['listen']
  since: Tail['since']
  send: GroupCommit['send']
  /** To be called after a transaction that appended events: this process reads them, the others are told. */
  changed: () => Promise<void>
  /** Resolves when every send that was accepted has been answered. */
  idle: GroupCommit['idle']
  stop: () => void
}

export async function openLog(
  { prepared }: Database,
  bell: Notifier,
  config: Config['log'],
  logger: Logger
): Promise<Log> {
  const { epoch, last } = await readBounds(prepared)
  const tail = new Tail({ prepared, logger, head: last, pollInterval: config.pollIntervalMs })
  const stopListening = bell.listen('log', () => void tail.look())
  const { send, idle } = groupCommit({
    prepared,
    logger,
    maxQueue: config.maxQueuedMessages,
    maxBatch: config.maxBatchMessages,
    maxWait: config.maxWaitMs,
    onCommit(entries) {
      tail.offer(entries)
      bell.notify('log')
    }
  })
  return {
    epoch,
    listen: (listener) => tail.listen(listener),
    since: (userId, position, conversations) => tail.since(userId, position, conversations),
    send,
    idle,
    changed() {
      bell.notify('log')
      return tail.look()
    },
    stop() {
      stopListening()
      tail.stop()
    }
  }
}
