import { isAboutOne, type ChatError } from '../errors.js'

/**
 * Do something in each conversation, one after the other. One in which it fails keeps no other one back.
 *
 * @returns the first error of a conversation
 */
export async function inEach(
  conversationIds: readonly string[],
  work: (id: string) => Promise<void>
): Promise<ChatError | null> {
  let first: ChatError | null = null
  for (const id of conversationIds)
    try {
      await work(id)
    } catch (error) {
      if (!isAboutOne(error)) throw error
      first ??= error
    }
  return first
}
