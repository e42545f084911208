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
  readonly tail: Tail
  send: GroupCommit['send']
  /** To be called after a transaction that appended events: this process reads them, the others are told. */
  changed: () => Promise<void>
  /** Resolves when every send that was accepted has been answered. */
  idle: GroupCommit['idle']
  stop: () => void
}

export async function openLog(
  { prepared: hot }: Database,
  bell: Notifier,
  config: Config['log'],
  logger: Logger
): Promise<Log> {
  const { epoch, last } = await readBounds(hot)
  const tail = new Tail({ hot, logger, head: last, pollInterval: config.pollIntervalMs })
  const stopListening = bell.listen('log', () => void tail.look())
  const { send, idle } = groupCommit({
    hot,
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
    tail,
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
