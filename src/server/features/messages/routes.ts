import { base64Bytes } from '../../../protocol/ids.js'
import {
  MessageBatchResponse,
  HistoryQuery,
  MAX_BATCH_BYTES,
  MAX_CIPHERTEXT_BYTES,
  type MessageOutcome,
  MessagePage,
  MessageReceipt,
  NewMessage,
  NewMessageBatch
} from '../../../protocol/messages.js'
import { Problem } from '../../http/problem.js'
import type { ProblemCode } from '../../../protocol/problems.js'
import { Uuid, record, ref } from '../../../protocol/schema.js'
import type { App } from '../../http/app.js'
import { deviceSessionOf } from '../../access/auth.js'
import type { SendResult, StoredResult } from '../../log/group-commit.js'
import type { OutgoingMessage } from '../../log/message.js'
import { requireMember } from '../../chains/memberships.js'
import { problemDocument } from '../../http/problem.js'
import { problemResponses } from '../../http/problem-responses.js'
import type { Services } from '../../services.js'
import { sendWithinBudget } from './byte-budget.js'
import { readHistory } from './history.js'

/** Bytes of the largest ciphertext in base64, and of the rest of the envelope. */
export const MESSAGE_BODY_LIMIT = 90 * 1024

const statuses = { stored: 201, repeat: 200 } as const
const refusals = {
  'session-ended': 'session-ended',
  'not-found': 'conversation-not-found',
  conflict: 'id-conflict',
  rekey: 'rekey-required',
  'not-in-roster': 'not-in-roster',
  forbidden: 'forbidden',
  failed: 'internal-error'
} as const satisfies Record<Exclude<SendResult['verdict'], keyof typeof statuses>, ProblemCode>

const params = record({ id: Uuid('The conversation’s id.') })

export function messageRoutes(
  app: App,
  { attempts, log, db, database }: Pick<Services, 'attempts' | 'log' | 'db' | 'database'>
): void {
  const stored = attempts.of('message-bytes')
  const send = (userId: string, messages: OutgoingMessage[]) =>
    sendWithinBudget({ stored, db, send: log.send }, userId, messages)

  app.post(
    '/conversations/:id/messages',
    {
      bodyLimit: MESSAGE_BODY_LIMIT,
      config: { limit: 'send', share: 0 },
      schema: {
        operationId: 'sendMessage',
        tags: ['messages'],
        summary: 'Send an encrypted message',
        description: 'After 201 (or 200 for a repeat) the message is stored durably.',
        params,
        body: ref(NewMessage),
        response: {
          200: ref(MessageReceipt),
          201: ref(MessageReceipt),
          ...problemResponses('device-required', ...Object.values(refusals), 'overloaded')
        }
      }
    },
    async (request, reply) => {
      const sender = deviceSessionOf(request)
      const [result] = await send(sender.userId, [outgoing(sender, request.params.id, request.body)])
      if (!('position' in result!)) throw new Problem(refusals[result!.verdict])
      return reply.status(statuses[result.verdict]).send(receipt(request.body.id, result))
    }
  )

  app.post(
    '/conversations/:id/messages/batch',
    {
      bodyLimit: MAX_BATCH_BYTES,
      config: { limit: 'send', share: 0 },
      schema: {
        operationId: 'sendMessages',
        tags: ['messages'],
        summary: 'Send many encrypted messages at once',
        description:
          'For messages written offline, and for bots. The messages are stored together and in order, each as by ' +
          '`sendMessage` and with its own result. A repeat of the same batch is harmless. Each message counts as ' +
          'one request.',
        params,
        body: ref(NewMessageBatch),
        response: {
          200: ref(MessageBatchResponse),
          ...problemResponses('device-required', 'overloaded')
        }
      }
    },
    async (request, reply) => {
      const { messages } = request.body
      const sender = deviceSessionOf(request)
      app.spend(request, reply, 'send', messages.length - 1)
      if (new Set(messages.map(({ id }) => id)).size < messages.length)
        throw new Problem('invalid-request', 'Two `messages` have the same `id`.')
      const results = await send(
        sender.userId,
        messages.map((message) => outgoing(sender, request.params.id, message))
      )
      // A client that sends the batch again gets a receipt for what was stored before.
      if (results.some(({ verdict }) => verdict === 'session-ended')) throw new Problem('session-ended')
      return { items: messages.map(({ id }, index) => outcome(id, results[index]!, request.id)) }
    }
  )

  app.get(
    '/conversations/:id/messages',
    {
      schema: {
        operationId: 'listMessages',
        tags: ['messages'],
        summary: 'History by position: newest first with `before` (or neither), oldest first with `after`',
        params,
        querystring: HistoryQuery,
        response: {
          200: ref(MessagePage),
          ...problemResponses('device-required', 'conversation-not-found', 'invalid-cursor')
        }
      }
    },
    async (request) => {
      const { userId } = deviceSessionOf(request)
      const { limit } = request.query
      const { direction, position } = whereToRead(request.query)
      await requireMember(db, request.params.id, userId)
      const { through, ...page } = await readHistory(
        database.prepared,
        request.params.id,
        userId,
        direction,
        position,
        limit
      )
      return { ...page, next: through === null ? null : `${direction}-${through}` }
    }
  )
}

function outgoing(
  { id: sessionId, userId, username, deviceId }: ReturnType<typeof deviceSessionOf>,
  conversationId: string,
  { id, sessionKeyId, key, iv, ciphertext, signature }: NewMessage
): OutgoingMessage {
  if (base64Bytes(ciphertext) > MAX_CIPHERTEXT_BYTES)
    throw new Problem('payload-too-large', `\`ciphertext\` has more than ${MAX_CIPHERTEXT_BYTES} bytes.`)
  return {
    id,
    conversationId,
    senderId: userId,
    senderUsername: username,
    senderDeviceId: deviceId,
    sessionId,
    sessionKeyId,
    key,
    iv,
    ciphertext,
    signature
  }
}

function receipt(id: string, { position, createdAt }: StoredResult): MessageReceipt {
  return { id, position, createdAt }
}

function outcome(id: string, result: SendResult, instance: string): MessageOutcome {
  if ('position' in result) return { id, status: statuses[result.verdict], receipt: receipt(id, result) }
  const problem = new Problem(refusals[result.verdict])
  return { id, status: problem.status, problem: problemDocument(problem, instance) }
}

interface Place {
  direction: 'before' | 'after'
  position: number
}

function whereToRead(query: { before?: number; after?: number; cursor?: string }): Place {
  const { before, after, cursor } = query
  if ([before, after, cursor].filter((given) => given !== undefined).length > 1)
    throw new Problem('invalid-request', 'Give one of `before`, `after` and `cursor`.')
  if (cursor !== undefined) {
    const match = /^(before|after)-(\d{1,15})$/.exec(cursor)
    if (match === null) throw new Problem('invalid-cursor')
    return { direction: match[1] as Place['direction'], position: Number(match[2]) }
  }
  if (after !== undefined) return { direction: 'after', position: after }
  return { direction: 'before', position: before ?? Number.MAX_SAFE_INTEGER }
}
