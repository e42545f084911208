import type { Store } from './stores/store.js'

export interface ChatClientOptions {
  /** The server's address, such as `https://chat.example.org`. */
  url: string
  store: Store
  fetch?: typeof globalThis.fetch
  /** Milliseconds since 1970. */
  now?: () => number
  /** From 0 to below 1, for jitter only: keys come from Web Crypto. */
  random?: () => number
  userAgent?: string
  /** Milliseconds that a request may take (30,000). */
  timeout?: number
  /** Bits of new RSA keys: 2048, 3072 (the default) or 4096. */
  rsaKeyBits?: 2048 | 3072 | 4096
}
