/** The SDK's public names. Everything else in this folder may change in any release. */
export { ChatError, mayPass, type ChatErrorDetails, type ChatErrorKind } from './errors.js'
export { ChatClient } from './client.js'
export type { Backup } from './features/backup.js'
export type { Restoration, Restored } from './features/restore.js'
export type { Contacts } from './features/contacts.js'
export type { Conversations } from './features/conversations.js'
export type { Invitations } from './features/invitations.js'
export { parseLink } from './features/links.js'
export type { Devices } from './features/devices.js'
export type { Reports } from './features/reports.js'
export type { Requests } from './features/requests.js'
export type { Sessions } from './features/sessions.js'
export type { Users } from './features/users.js'
export type { ChatClientOptions } from './options.js'
export { selfTest } from './self-test.js'
export { MemoryStore } from './stores/memory.js'
export { IndexedDbStore, type IndexedDbStoreOptions } from './stores/indexeddb/store.js'
export {
  decryptAttachment,
  decryptAttachmentRange,
  encryptAttachment,
  type AttachmentReference,
  type ByteRange,
  type ByteSource,
  type EncryptedAttachment,
  type ReadRange
} from './messages/attachments.js'
export { foldConversation, type ConversationView, type ViewedMessage } from './messages/timeline.js'
export type { Store, StoreReader, StoreTransaction, Value, CryptoKey } from './stores/store.js'
export type * from './types/account.js'
export type * from './types/contacts.js'
export type * from './types/content.js'
export type * from './types/conversations.js'
export type * from './types/devices.js'
export type * from './types/events.js'
export type * from './types/invitations.js'
export type * from './types/messages.js'
export type * from './types/own-account.js'
export type * from './types/reports.js'
