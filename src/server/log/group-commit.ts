import { Problem } from '../http/problem.js'
import type { Database } from '../db/database.js'
import { isDatabaseDown, retryDuplicate } from '../db/errors.js'
import type { Logger } from '../logger.js'
import { MessageEntry, type Entry } from './entry.js'
import type { OutgoingMessage } from './message.js'
import { SEND, sendValues, type Refusal, type SendRow } from './store-messages.js'

/** A message is stored, now or before. */
export interface StoredResult {
  verdict: 'stored' | 'repeat'
  position: number
  createdAt: string
}

/** `failed` if the database cannot store this very message. */
export type SendResult = StoredResult | { verdict: Refusal | 'failed' }

/** The messages of one request: they are stored together and in their order, with no others between them. */
interface Waiting {
  messages: readonly OutgoingMessage[]
  bytes: number
  /** When it came, in milliseconds on the monotonic clock. */
  waitingSince: number
  resolve: (results: SendResult[]) => void
  reject: (error: unknown) => void
}

export interface GroupCommit {
  /**
   * @param messages with distinct ids, no more than fit into one batch
   * @returns a result for each, in their order
   * @throws {Problem} `overloaded` when too much is queued, `database-unavailable`
   */
  send: (messages: readonly OutgoingMessage[]) => Promise<SendResult[]>
  /** Resolves when every accepted message has its result. */
  idle: () => Promise<void>
}

/** Most bytes of one batch, and of the whole queue in memory. */
const BATCH_BYTES = 4 * 2 ** 20
export const QUEUE_BYTES = 64 * 2 ** 20
/** Messages for which a batch starts at once. */
const EAGER = 16

/**
 * Group commit: sends that arrive while a batch is in flight form the next one, so that one statement and one
 * fsync serve them all. A single message waits for nothing.
 */
export function groupCommit(options: {
  prepared: Database['prepared']
  logger: Logger
  maxQueue: number
  maxBatch: number
  /** Milliseconds. Once the oldest queued message has waited longer, new ones are refused. */
  maxWait: number
  /** Called after each commit with the new entries in the order of their positions. */
  onCommit: (entries: Entry[]) => void
}): GroupCommit {
  const { prepared, logger } = options
  let queue: Waiting[] = []
  const queued = { messages: 0, bytes: 0 }
  let state: 'idle' | 'forming' | 'running' = 'idle'
  let idle: (() => void)[] = []

  function takeBatch(): Waiting[] {
    const batch: Waiting[] = []
    const ids = new Set<string>()
    let bytes = 0
    for (const request of queue) {
      // A repeat of a message in this batch must find it stored: it waits for the next batch.
      if (request.messages.some(({ id }) => ids.has(id))) break
      for (const { id } of request.messages) ids.add(id)
      bytes += request.bytes
      if (batch.length > 0 && (ids.size > options.maxBatch || bytes > BATCH_BYTES)) break
      batch.push(request)
    }
    queue = queue.slice(batch.length)
    for (const request of batch) {
      queued.messages -= request.messages.length
      queued.bytes -= request.bytes
    }
    return batch
  }

  /** Store in one statement. Readers get the messages before the senders get their results. */
  async function store(messages: readonly OutgoingMessage[]): Promise<SendResult[]> {
    const rows = await prepared<SendRow>(SEND, sendValues(messages))
    const entries: Entry[] = []
    const results = rows.map(({ verdict, position, createdAt }, index): SendResult => {
      // Properties that are added behind a spread make V8 use a slow object, three times as large.
      if (verdict === 'stored') entries.push(new MessageEntry({ position, createdAt, ...messages[index]! }))
      return verdict === 'stored' || verdict === 'repeat' ? { verdict, position, createdAt } : { verdict }
    })
    if (entries.length > 0) options.onCommit(entries)
    return results
  }

  async function commit(batch: readonly Waiting[]): Promise<void> {
    try {
      const all = batch.flatMap(({ messages }) => messages)
      // Another process may store one of them at the same moment. The second time it is found to be a repeat.
      const results = await retryDuplicate(() => store(all))
      let answered = 0
      for (const { messages, resolve } of batch)
        resolve(results.slice(answered, (answered += messages.length)))
    } catch (error) {
      if (isDatabaseDown(error)) for (const { reject } of batch) reject(error)
      else for (const request of batch) await storeApart(request).then(request.resolve, request.reject)
    }
  }

  /** One by one, so that one bad row harms no others. */
  async function storeApart({ messages }: Waiting): Promise<SendResult[]> {
    const results: SendResult[] = []
    for (const message of messages) results.push(await storeAlone(message))
    return results
  }

  async function storeAlone(message: OutgoingMessage): Promise<SendResult> {
    try {
      const [result] = await retryDuplicate(() => store([message]))
      return result!
    } catch (error) {
      if (isDatabaseDown(error)) throw error
      logger.error({ err: error, messageId: message.id }, 'a message could not be stored')
      return { verdict: 'failed' }
    }
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
    send(messages) {
      const now = performance.now()
      const waited = now - (queue[0]?.waitingSince ?? now)
      // To try again later is better than to wait in a queue that does not move.
      if (queued.messages >= options.maxQueue || queued.bytes >= QUEUE_BYTES || waited > options.maxWait)
        return Promise.reject(new Problem('overloaded'))
      return new Promise((resolve, reject) => {
        const bytes = messages.reduce((sum, { ciphertext }) => sum + ciphertext.length, 0)
        queue.push({ messages, bytes, waitingSince: now, resolve, reject })
        queued.messages += messages.length
        queued.bytes += bytes
        if (state === 'idle') {
          state = 'forming'
          // Requests that are read in this turn of the event loop share the first batch …
          setImmediate(() => void run())
        } else if (state === 'forming' && queued.messages >= EAGER) {
          // … but if there are many, the database starts while the rest are still being read.
          void run()
        }
      })
    },
    idle: () => (state === 'idle' ? Promise.resolve() : new Promise((resolve) => idle.push(resolve)))
  }
}
