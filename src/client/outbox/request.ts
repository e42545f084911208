import {
  BatchOutcome,
  MAX_BATCH_BYTES,
  MAX_BATCH_MESSAGES,
  MessageReceipt,
  type NewMessage
} from '../../protocol/messages.js'
import type { Core } from '../core.js'
import { RefusedError, untrusted } from '../errors.js'

/** Bytes of a message's JSON beside its ciphertext, at most. */
const ENVELOPE_BYTES = 400

export type Posted = MessageReceipt | RefusedError

/** The first of these messages that fit into one request. */
export function fitting<T extends { sealed: NewMessage }>(messages: readonly T[]): T[] {
  let bytes = 0
  const fits = ({ sealed }: T) => (bytes += sealed.ciphertext.length + ENVELOPE_BYTES) <= MAX_BATCH_BYTES
  const end = messages.slice(0, MAX_BATCH_MESSAGES).findIndex((one) => !fits(one))
  return messages.slice(0, end === -1 ? MAX_BATCH_MESSAGES : end)
}

/**
 * Post messages of a conversation, in their order.
 *
 * @returns what became of each
 * @throws {RefusedError} if the request was refused as a whole; of a single message this is how it is refused
 */
export async function post(
  core: Pick<Core, 'tokens'>,
  conversationId: string,
  messages: readonly NewMessage[]
): Promise<Posted[]> {
  const path = `/v1/conversations/${conversationId}/messages`
  if (messages.length === 1) {
    const body = messages[0]!
    const answer = await core.tokens.call({ method: 'POST', path, body, response: MessageReceipt })
    if (answer.body.id !== body.id) throw otherAnswer()
    return [answer.body]
  }
  const request = {
    method: 'POST',
    path: `${path}/batch`,
    body: { messages },
    response: BatchOutcome
  } as const
  const { items } = (await core.tokens.call(request)).body
  if (items.length !== messages.length) throw otherAnswer()
  return items.map(({ id, status, receipt, problem = {} }, index) => {
    if (id !== messages[index]!.id || (receipt !== undefined && receipt.id !== id)) throw otherAnswer()
    return receipt ?? new RefusedError(status, problem, null)
  })
}

function otherAnswer() {
  return untrusted('other-answer', 'The server speaks of another message than was sent.')
}
