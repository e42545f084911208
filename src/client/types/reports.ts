import type { ReceivedContent } from './content.js'
import type { Sender } from './messages.js'

/** A reported message that verifies: the device of `from` has signed it, in this conversation. */
export interface CheckedReport {
  id: string
  conversationId: string
  /** By the chain of the sender that is known here. */
  from: Sender
  /** By the sender's clock. */
  sentAt: string
  content: ReceivedContent
  /**
   * Whether this client knows the conversation too, and has found its session key in the chain, and the sender in the
   * roster of the key. Else nobody has checked who was in the conversation.
   */
  inKnownConversation: boolean
}
