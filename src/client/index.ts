/** The SDK: every name that is promised to be kept. `http.ts`, `sse.ts` and the rest may change in any release. */
export { ChatError, type ChatErrorDetails, type ChatErrorKind } from './errors.js'
export { ChatClient } from './client.js'
export { selfTest } from './self-test.js'
export { MemoryStore } from './memory-store.js'
export { IndexedDbStore, type IndexedDbStoreOptions, type Locks } from './indexeddb-store.js'
export {
  decryptAttachment,
  decryptAttachmentRange,
  encryptAttachment,
  type AttachmentReference,
  type ByteRange,
  type ByteSource,
  type EncryptedAttachment,
  type ReadRange
} from './attachments.js'
export { foldConversation, type ConversationView, type ViewedMessage } from './view.js'
export type { Store, StoreReader, StoreTransaction, Value, CryptoKey } from './store.js'
export type * from './api.js'
export type * from './chat-events.js'
export type * from './content.js'
export type * from './parts.js'
