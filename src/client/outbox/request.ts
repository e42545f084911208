import {
  MessageBatchResponse,
  MessagePage,
  MAX_BATCH_BYTES,
  MAX_BATCH_MESSAGES,
  MessageReceipt,
  type Message,
  type NewMessage
} from '../../protocol/messages.js'
import { ChatError, problemCode, RefusedError, untrusted } from '../errors.js'
import type { Api } from '../transport/api.js'
import { MESSAGE_PAGE_BYTES } from '../transport/pages.js'

/** Bytes of a message's JSON beside its ciphertext, at most. */
const ENVELOPE_BYTES = 400

/** The first of these messages that fit into one request. */
export function fitting<T extends { sealed: NewMessage }>(messages: readonly T[]): T[] {
  let bytes = 0
  const fits = ({ sealed }: T) => (bytes += sealed.ciphertext.length + ENVELOPE_BYTES) <= MAX_BATCH_BYTES
  const end = messages.slice(0, MAX_BATCH_MESSAGES).findIndex((message) => !fits(message))
  return messages.slice(0, end === -1 ? MAX_BATCH_MESSAGES : end)
}

/**
 * Post messages of a conversation, in order.
 *
 * @returns for each message its receipt, or the server's refusal
 * @throws {RefusedError} if the request was refused as a whole, which for a single message is its refusal
 */
export async function postMessages(
  api: Api,
  conversationId: string,
  messages: readonly NewMessage[]
): Promise<(MessageReceipt | RefusedError)[]> {
  const path = `/v1/conversations/${conversationId}/messages`
  if (messages.length === 1) {
    const body = messages[0]!
    const receipt = (await api.call({ method: 'POST', path, body, response: MessageReceipt })).body
    if (receipt.id !== body.id) throw otherMessage()
    return [receipt]
  }
  const body = { messages }
  const { items } = (
    await api.call({ method: 'POST', path: `${path}/batch`, body, response: MessageBatchResponse })
  ).body
  if (items.length !== messages.length) throw otherMessage()
  return items.map(({ id, status, receipt, problem = {} }, index) => {
    if (id !== messages[index]!.id || (receipt !== undefined && receipt.id !== id)) throw otherMessage()
    if (receipt === undefined && problemCode(problem) === null) throw otherMessage()
    return receipt ?? new RefusedError(status, problem, null)
  })
}

/** A message as the server has it. @throws {ChatError} `message-deleted` (`refused`); `other-answer` (`untrusted`) */
export async function fetchMessage(
  api: Api,
  { conversationId, id, position }: { conversationId: string; id: string; position: number }
): Promise<Message> {
  const path = `/v1/conversations/${conversationId}/messages?limit=1&after=${position - 1}`
  const request = { method: 'GET', path, response: MessagePage, maxBytes: MESSAGE_PAGE_BYTES } as const
  const { items, deleted } = (await api.call(request)).body
  if (deleted[0]?.id === id)
    throw new ChatError('refused', 'message-deleted', 'An admin of the server has deleted this message.')
  if (items[0]?.id !== id) throw otherMessage()
  return items[0]
}

export function otherMessage(): ChatError {
  return untrusted('other-answer', 'The server’s answer is about another message than was sent.')
}
