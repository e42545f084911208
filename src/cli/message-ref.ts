import type { ChatClient, IncomingMessage } from '../client/index.js'
import { NotFoundError } from './errors.js'

/** Above what a person looks back at: the server could show messages without end. */
const MAX_SEARCHED = 10_000

/**
 * The message with this id in a conversation. Others refer to it by its id and digest: an id by itself does not
 * tell which bytes are meant.
 *
 * @throws {NotFoundError} if none of the newest messages has the id
 */
export async function findMessage(
  chat: ChatClient,
  conversationId: string,
  id: string
): Promise<IncomingMessage> {
  for await (const item of chat.history(conversationId, { limit: MAX_SEARCHED }))
    if (item.type === 'message' && item.id === id) return item
  throw new NotFoundError(
    `There is no message ${id} in this conversation that this device can read.`,
    `See the ids of messages: secure-chat history ${conversationId} --json`
  )
}
