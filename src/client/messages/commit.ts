import { countMessage } from '../conversations/key-sight.js'
import { recordTitle, type GivenTitle } from '../conversations/record.js'
import type { Alarms } from '../identity/alarms.js'
import type { StoreTransaction } from '../stores/store.js'
import type { ReceivedContent } from '../types/content.js'
import { replayed } from '../errors.js'
import type { CounterId, SeenMessages } from './seen.js'
import type { SeenEntry } from './seen-page.js'

/** A verified message, as it is to be written down. */
export interface CommittedMessage {
  counter: CounterId
  entry: SeenEntry
  content: ReceivedContent
  /** It stands behind one that its sender sent later. */
  late: boolean
}

/**
 * Write down a message that was shown or sent: it is never new again, and a title names its conversation.
 *
 * @param alarms tell it if another process has shown it at another place meanwhile
 */
export async function commitMessage(
  tx: StoreTransaction,
  seen: SeenMessages,
  message: CommittedMessage,
  alarms?: Alarms
): Promise<void> {
  const { counter, entry } = message
  const { conversationId, key } = counter
  const found = await seen.record(tx, counter, entry)
  if (found === 'elsewhere') {
    const error = replayed('another process has read it at another place')
    await alarms?.tellIn(tx, `${error.code}/${entry.digest}`, { type: 'untrusted', error, conversationId })
    return
  }
  if (found === 'new') await countMessage(tx, conversationId, key)
  const title = titleIn(message)
  if (title !== null) await recordTitle(tx, conversationId, title)
}

/** The title that a message gives, if it gives one. */
export function titleIn({ counter, entry, content, late }: CommittedMessage): GivenTitle | null {
  if (content.type !== 'title') return null
  const { position, n, departed } = entry
  const name = `${counter.key}/${counter.signingKey}`
  return { title: content.text, position, counter: name, n, isMarked: late || departed }
}
