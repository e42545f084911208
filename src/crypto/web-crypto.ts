/** A key of Web Crypto's, under whatever name the platform's types have it. */
export type CryptoKey = Awaited<ReturnType<typeof crypto.subtle.importKey>>

/** Where random bytes come from: `length` of them, at most 65,536. */
export type Random = (length: number) => Uint8Array

export const randomBytes: Random = (length) => crypto.getRandomValues(new Uint8Array(length))
