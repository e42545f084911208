import { Problem } from '../http/problem.js'
import type { Database } from '../db/database.js'
import { duplicateOf, isDatabaseDown } from '../db/errors.js'
import type { Logger } from '../logger.js'
import { messageEntry, type Entry } from './entry.js'
import { SEND, sendValues, type Sending, type SendRow, type Verdict } from './send.js'

export interface Sent {
  /** `failed` if the database refuses to store this very message. */
  verdict: Verdict | 'failed'
  /** Of a message that is stored, now or before. */
  position: number
  createdAt: string
}

export type Outgoing = Sending & { senderUsername: string }

/** Messages of one request: they are stored together, in their order, with nothing of others between them. */
interface Waiting {
  messages: readonly Outgoing[]
  bytes: number
  /** When it came, in milliseconds of the process' clock. */
  since: number
  resolve: (sent: Sent[]) => void
  reject: (error: unknown) => void
}

export interface GroupCommit {
  /**
   * @param messages of different ids, at most as many and as large as a batch
   * @returns what became of each of them
   * @throws {Problem} `overloaded` when too much is queued, `database-unavailable`
   */
  send: (messages: readonly Outgoing[]) => Promise<Sent[]>
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
  prepared: Database['prepared']
  logger: Logger
  maxQueue: number
  maxBatch: number
  /** Milliseconds that a message may have waited when another one comes. */
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
      // A repeat of a message in this batch has to find it stored: it waits for the next one.
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

  /** One statement. Whoever reads is told before whoever sent. */
  async function store(messages: readonly Outgoing[]): Promise<Sent[]> {
    const rows = await prepared<SendRow>(SEND, sendValues(messages))
    const entries: Entry[] = []
    const sent = messages.map((message, index) => {
      const { verdict, position, created_at: createdAt } = rows[index]!
      const result = { verdict, position: Number(position), createdAt: createdAt ?? '' }
      if (verdict === 'stored') entries.push(toEntry(message, result))
      return result
    })
    if (entries.length > 0) options.onCommit(entries)
    return sent
  }

  async function commit(batch: readonly Waiting[]): Promise<void> {
    try {
      const sent = await store(batch.flatMap(({ messages }) => messages))
      let answered = 0
      for (const { messages, resolve } of batch) resolve(sent.slice(answered, (answered += messages.length)))
    } catch (error) {
      if (isDatabaseDown(error)) for (const { reject } of batch) reject(error)
      else for (const request of batch) await storeApart(request).then(request.resolve, request.reject)
    }
  }

  /** One poisoned row must not take the others with it; repeats that raced between processes end up here too. */
  async function storeApart({ messages }: Waiting): Promise<Sent[]> {
    const sent: Sent[] = []
    for (const message of messages) sent.push(await storeAlone(message))
    return sent
  }

  async function storeAlone(message: Outgoing, again = false): Promise<Sent> {
    try {
      return (await store([message]))[0]!
    } catch (error) {
      if (isDatabaseDown(error)) throw error
      // A message that another process is storing at this moment is there when we look again: a repeat.
      if (!again && duplicateOf(error) !== null) return storeAlone(message, true)
      logger.error({ err: error, messageId: message.id }, 'a message can’t be stored')
      return { verdict: 'failed', position: 0, createdAt: '' }
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
      const waited = now - (queue[0]?.since ?? now)
      // Whoever comes back later fares better than in a line that does not move.
      if (queued.messages >= options.maxQueue || queued.bytes >= QUEUE_BYTES || waited > options.maxWait)
        return Promise.reject(new Problem('overloaded'))
      return new Promise((resolve, reject) => {
        const bytes = messages.reduce((sum, { ciphertext }) => sum + ciphertext.length, 0)
        queue.push({ messages, bytes, since: now, resolve, reject })
        queued.messages += messages.length
        queued.bytes += bytes
        if (state === 'idle') {
          state = 'forming'
          // Requests that are read in this turn of the event loop share the first batch …
          setImmediate(() => void run())
        } else if (state === 'forming' && queued.messages >= EAGER) {
          // … but many of them let the database begin while the rest are still being read.
          void run()
        }
      })
    },
    idle: () => (state === 'idle' ? Promise.resolve() : new Promise((resolve) => idle.push(resolve)))
  }
}

function toEntry({ senderUsername, ...message }: Outgoing, sent: Sent): Entry {
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
