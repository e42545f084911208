import { decodeBase64, encodeBase64, encodeUtf8 } from '../../crypto/encoding.js'
import { unshared } from '../../crypto/web-crypto.js'
import type { Store } from '../stores/store.js'

/** The account may be erased: the request was sent, and its answer may have been lost. */
const SENT = 'erasure-sent'
/** As many as a server takes: the hash may be read by others. */
const ITERATIONS = 600_000

/** With which password the request was sent, which the server had just found right. */
type Sent = { salt: string; hash: string }

/** Note that the request is sent next. */
export async function noteSent(store: Store, password: string): Promise<void> {
  const salt = encodeBase64(crypto.getRandomValues(new Uint8Array(16)))
  const sent: Sent = { salt, hash: await hashOf(password, salt) }
  await store.update((tx) => tx.set(SENT, sent))
}

/** Whether the request was sent with this password: a mistyped one says nothing about the account. */
export async function wasSent(store: Store, password: string): Promise<boolean> {
  const sent = await store.get<Sent>(SENT)
  return sent !== undefined && (await hashOf(password, sent.salt)) === sent.hash
}

async function hashOf(password: string, salt: string): Promise<string> {
  const key = await crypto.subtle.importKey('raw', unshared(encodeUtf8(password)), 'PBKDF2', false, [
    'deriveBits'
  ])
  const how = { name: 'PBKDF2', hash: 'SHA-256', salt: unshared(decodeBase64(salt)), iterations: ITERATIONS }
  return encodeBase64(new Uint8Array(await crypto.subtle.deriveBits(how, key, 256)))
}
