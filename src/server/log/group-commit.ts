import { Problem } from '../../protocol/problems.js'
import type { Database } from '../db/index.js'
import { duplicateOf, isDatabaseDown } from '../db/errors.js'
import type { Logger } from '../logger.js'
import { messageEntry, type Entry } from './entry.js'
import { SEND, sendValues, type Sending, type SendRow, type Verdict } from './send.js'

export interface Sent {
  verdict: Verdict
  /** Of a message that is stored, now or before. */
  position: number
  createdAt: string
}

interface Waiting {
  message: Sending & { senderUsername: string }
  resolve: (sent: Sent) => void
  reject: (error: unknown) => void
}

export interface GroupCommit {
  /** @throws {Problem} `overloaded` when too much is queued, `database-unavailable` */
  send: (message: Waiting['message']) => Promise<Sent>
  /** Resolves when all that was accepted has been answered. */
  idle: () => Promise<void>
}

/** Bytes of one batch, and of all that waits, at most: what the queue may cost in memory. */
const BATCH_BYTES = 4 * 2 ** 20
const QUEUE_BYTES = 64 * 2 ** 20
/** Messages that are worth a batch at once. */
const EAGER = 16

/**
 * Group commit: sends that arrive while a batch is in flight form the next one, so that one statement and one
 * fsync serve them all, and a lone message waits for nothing.
 */
export function groupCommit(options: {
  hot: Database['hot']
  logger: Logger
  maxQueue: number
  maxBatch: number
  /** Called after each commit with the new entries in the order of their positions. */
  onCommit: (entries: Entry[]) => void
}): GroupCommit {
  const { hot, logger } = options
  let queue: Waiting[] = []
  let queuedBytes = 0
  let state: 'idle' | 'forming' | 'running' = 'idle'
  let idle: (() => void)[] = []

  function takeBatch(): Waiting[] {
    const batch: Waiting[] = []
    const ids = new Set<string>()
    let bytes = 0
    while (batch.length < options.maxBatch && batch.length < queue.length) {
      const next = queue[batch.length]!
      // A repeat of a message in this batch has to find it stored: it waits for the next one.
      if (ids.has(next.message.id)) break
      bytes += next.message.ciphertext.length
      if (batch.length > 0 && bytes > BATCH_BYTES) break
      ids.add(next.message.id)
      batch.push(next)
    }
    queue = queue.slice(batch.length)
    for (const { message } of batch) queuedBytes -= message.ciphertext.length
    return batch
  }

  async function commit(batch: Waiting[], again = false): Promise<void> {
    let rows: SendRow[]
    try {
      rows = await hot<SendRow>(SEND, sendValues(batch.map(({ message }) => message)))
    } catch (error) {
      // A message that another process is storing at this moment is there when we look again: a repeat.
      if (batch.length === 1 && !again && duplicateOf(error) !== null) return commit(batch, true)
      if (isDatabaseDown(error) || batch.length === 1) {
        for (const { reject } of batch) reject(error)
        return
      }
      // One poisoned row must not take the others with it; repeats that raced between processes end up here too.
      logger.warn({ err: error, size: batch.length }, 'a batch failed; sending its messages one by one')
      for (const one of batch) await commit([one])
      return
    }
    const entries: Entry[] = []
    const sent = batch.map(({ message }, index) => {
      const { verdict, position, created_at: createdAt } = rows[index]!
      const result = { verdict, position: Number(position), createdAt: createdAt ?? '' }
      if (verdict === 'stored') entries.push(toEntry(message, result))
      return result
    })
    if (entries.length > 0) options.onCommit(entries)
    for (const [index, { resolve }] of batch.entries()) resolve(sent[index]!)
  }

  async function run(): Promise<void> {
    if (state !== 'forming') return
    state = 'running'
    while (queue.length > 0) await commit(takeBatch())
    state = 'idle'
    for (const resolve of idle) resolve()
    idle = []
  }

  return {
    send(message) {
      if (queue.length >= options.maxQueue || queuedBytes >= QUEUE_BYTES)
        return Promise.reject(new Problem('overloaded'))
      return new Promise((resolve, reject) => {
        queue.push({ message, resolve, reject })
        queuedBytes += message.ciphertext.length
        if (state === 'idle') {
          state = 'forming'
          // Requests that are read in this turn of the event loop share the first batch …
          setImmediate(() => void run())
        } else if (state === 'forming' && queue.length >= EAGER) {
          // … but many of them let the database begin while the rest are still being read.
          void run()
        }
      })
    },
    idle: () => (state === 'idle' ? Promise.resolve() : new Promise((resolve) => idle.push(resolve)))
  }
}

function toEntry({ senderUsername, ...message }: Waiting['message'], sent: Sent): Entry {
  const { id, conversationId, senderId, senderDeviceId, sessionKeyId, iv, ciphertext, signature } = message
  return messageEntry({
    id,
    conversationId,
    position: sent.position,
    sender: { userId: senderId, username: senderUsername, deviceId: senderDeviceId },
    sessionKeyId,
    iv,
    ciphertext,
    signature,
    createdAt: sent.createdAt
  })
}
