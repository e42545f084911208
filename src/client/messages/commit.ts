import { countMessage } from '../conversations/key-sight.js'
import { recordTitle } from '../conversations/record.js'
import type { StoreTransaction } from '../stores/store.js'
import type { ReceivedContent } from '../types/content.js'
import type { CounterId, SeenMessages } from './seen.js'
import type { SeenEntry } from './seen-page.js'

/** A verified message, as it is to be written down. */
export interface CommittedMessage {
  counter: CounterId
  entry: SeenEntry
  content: ReceivedContent
}

/** Write down a message that was shown or sent: it is never new again, and a title names its conversation. */
export async function commitMessage(
  tx: StoreTransaction,
  seen: SeenMessages,
  { counter, entry, content }: CommittedMessage
): Promise<void> {
  const { conversationId, key } = counter
  if (await seen.record(tx, counter, entry)) await countMessage(tx, conversationId, key)
  if (content.type === 'title') await recordTitle(tx, conversationId, content.text, entry.position)
}
