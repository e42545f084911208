/** The SDK: every name that is promised to be kept. `http.ts`, `sse.ts` and the rest may change in any release. */
export { ChatError, type ChatErrorDetails, type ChatErrorKind } from './errors.js'
export { ChatClient } from './client.js'
export { MemoryStore } from './memory-store.js'
export type { Store, StoreReader, StoreTransaction, Value } from './store.js'
export type * from './api.js'
export type * from './chat-events.js'
export type * from './content.js'
export type * from './parts.js'
