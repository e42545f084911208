/**
 * A key of Web Crypto. This form resolves with the DOM's types, and also where there are only those of
 * Node.js.
 */
export type CryptoKey = Awaited<ReturnType<typeof crypto.subtle.importKey>>

/** A source of random bytes. `length` is at most 65,536. */
export type Random = (length: number) => Uint8Array

export const randomBytes: Random = (length) => crypto.getRandomValues(new Uint8Array(length))

/**
 * Tells the compiler that bytes are not in shared memory. The DOM's types of Web Crypto and `fetch` require
 * that, and the platform throws a TypeError otherwise.
 */
export function unshared(bytes: Uint8Array): Uint8Array<ArrayBuffer> {
  return bytes as Uint8Array<ArrayBuffer>
}
