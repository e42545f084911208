import { ChatError } from './errors.js'
import type { ChatClientOptions } from './options.js'

/** What a client cannot do without. @throws {ChatError} `no-url`, `no-store`, `crypto-unavailable` (`usage`) */
export function checkOptions(options: ChatClientOptions | undefined): ChatClientOptions {
  const { url, store } = options ?? ({} as Partial<ChatClientOptions>)
  if (typeof url !== 'string')
    throw new ChatError('usage', 'no-url', 'The client has no address of a server.', {
      hint: "Give it one: ChatClient.open({ url: 'https://chat.example.org', store })."
    })
  if (typeof store?.update !== 'function')
    throw new ChatError('usage', 'no-store', 'The client has no store for its keys.', {
      hint: 'Give it one as `store`: a FileStore, an IndexedDbStore, or for tests a MemoryStore.'
    })
  requireWebCrypto()
  return options!
}

/** @throws {ChatError} `crypto-unavailable` (`usage`) */
export function requireWebCrypto(): void {
  // Browsers hide it from pages that somebody on the network can have changed.
  if ((globalThis.crypto as Crypto | undefined)?.subtle === undefined)
    throw new ChatError('usage', 'crypto-unavailable', 'There is no Web Crypto here.', {
      hint: 'A browser has it only on a page that comes over HTTPS or from localhost.'
    })
}
