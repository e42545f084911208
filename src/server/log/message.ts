import type { Message } from '../../protocol/messages.js'

/** A message to append. Ids are UUIDs, bytes base64. */
export interface OutgoingMessage {
  id: string
  conversationId: string
  senderId: string
  senderUsername: string
  senderDeviceId: string
  /** The sender's session: nothing is stored of one that has ended. */
  sessionId: string
  sessionKeyId: string
  /** Hash of the statement of the session key. */
  key: string
  iv: string
  ciphertext: string
  signature: string
}

/** A message of the log. */
export interface StoredMessage extends Omit<OutgoingMessage, 'sessionId'> {
  position: number
  /** RFC 3339 in UTC with milliseconds. */
  createdAt: string
}

/** A message as the API shows it. */
export function toMessage(stored: StoredMessage): Message {
  return {
    id: stored.id,
    conversationId: stored.conversationId,
    position: stored.position,
    sender: { userId: stored.senderId, username: stored.senderUsername, deviceId: stored.senderDeviceId },
    sessionKeyId: stored.sessionKeyId,
    key: stored.key,
    iv: stored.iv,
    ciphertext: stored.ciphertext,
    signature: stored.signature,
    createdAt: stored.createdAt
  }
}
