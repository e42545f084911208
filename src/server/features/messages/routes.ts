import { base64Bytes } from '../../../protocol/ids.js'
import {
  HistoryQuery,
  MAX_CIPHERTEXT_BYTES,
  MessagePage,
  MessageReceipt,
  NewMessage
} from '../../../protocol/messages.js'
import { Problem, type ProblemCode } from '../../../protocol/problems.js'
import { Uuid, record, ref } from '../../../protocol/schema.js'
import type { App } from '../../app-types.js'
import { deviceSessionOf } from '../../auth.js'
import type { Sending, Verdict } from '../../log/send.js'
import { requireMember } from '../../members.js'
import { problemResponses } from '../../problem.js'
import type { Services } from '../../services.js'
import { readHistory } from './history.js'

/** The largest ciphertext in base64, and room for the rest of the envelope. */
const MESSAGE_BODY_LIMIT = 90 * 1024

const refusals = {
  'not-found': 'conversation-not-found',
  conflict: 'id-conflict',
  rekey: 'rekey-required',
  'not-in-roster': 'not-in-roster'
} as const satisfies Record<Exclude<Verdict, 'stored' | 'repeat'>, ProblemCode>

const params = record({ id: Uuid('The conversation’s id.') })

export function messageRoutes(app: App, { log, db, database }: Services): void {
  app.post(
    '/conversations/:id/messages',
    {
      bodyLimit: MESSAGE_BODY_LIMIT,
      config: { limit: 'send' },
      schema: {
        operationId: 'sendMessage',
        tags: ['messages'],
        summary: 'Send an encrypted message',
        description: 'Once answered with 201 (or 200 for a repeat) the message is stored durably.',
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
      const { userId, username, deviceId } = deviceSessionOf(request)
      const { id, sessionKeyId, iv, ciphertext, signature } = request.body
      if (base64Bytes(ciphertext) > MAX_CIPHERTEXT_BYTES)
        throw new Problem('payload-too-large', `\`ciphertext\` has more than ${MAX_CIPHERTEXT_BYTES} bytes.`)
      const sending: Sending & { senderUsername: string } = {
        id,
        conversationId: request.params.id,
        senderId: userId,
        senderUsername: username,
        senderDeviceId: deviceId,
        sessionKeyId,
        iv,
        ciphertext,
        signature
      }
      const { verdict, position, createdAt } = await log.send(sending)
      if (verdict !== 'stored' && verdict !== 'repeat') throw new Problem(refusals[verdict])
      return reply.status(verdict === 'stored' ? 201 : 200).send({ id, position, createdAt })
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
      const found = await readHistory(database.hot, request.params.id, userId, direction, position, limit + 1)
      const items = found.slice(0, limit)
      return { items, next: found.length > limit ? `${direction}-${items.at(-1)!.position}` : null }
    }
  )
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
