import { ChatError } from './errors.js'
import type { Conversations } from './features/conversations.js'
import type { Recipient } from './types/messages.js'

const uuid = /^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/

/** @throws {ChatError} `invalid-id` (`usage`) */
export function requireMessageId(id: string | undefined): void {
  if (id !== undefined && !uuid.test(id))
    throw new ChatError('usage', 'invalid-id', 'A message’s id is a UUID.')
}

/** @throws {ChatError} `invalid-id` (`usage`) */
export function requireConversationId(id: string): string {
  if (uuid.test(id)) return id
  throw new ChatError('usage', 'invalid-id', 'A conversation’s id is a UUID.')
}

/** The conversation of a recipient: with a user, a direct one, which is created if there is none. */
export async function conversationIdOf(to: Recipient, conversations: Conversations): Promise<string> {
  if (typeof to === 'string') return requireConversationId(to)
  if ('conversationId' in to) return requireConversationId(to.conversationId)
  return (await conversations.direct(to.username)).id
}
