import { createCipheriv, createDecipheriv, randomBytes } from 'node:crypto'
import { base64, hkdf, sha256Hex, sign, unbase64, uuidBytes, verify, type DeviceKeys } from './crypto.js'
import type { Sealed } from './http.js'
import { parseContent, type Content } from './message-json.js'
import { check, refusing } from './refused.js'

/** Where a message belongs, as its reader knows it. */
export interface MessageName {
  readonly conversationId: string
  /** Hash of the `conversation-key` statement. */
  readonly key: string
  readonly id: string
  /** Fingerprint of the sending device's signing key. */
  readonly by: string
}

/** Largest ciphertext in bytes, with its tag. */
const MAX_CIPHERTEXT = 65_536

/** Padmé: a length keeps only its highest bits, so that at most 12 % is added. At least 256. */
export function padmeLength(length: number): number {
  if (length <= 256) return 256
  const exponent = Math.floor(Math.log2(length))
  const kept = Math.floor(Math.log2(exponent)) + 1
  const step = 2 ** (exponent - kept)
  return Math.ceil(length / step) * step
}

/** JSON with spaces behind it. @throws Refused if it would be too long for a message */
export function pad(content: unknown): Buffer {
  const bytes = Buffer.from(typeof content === 'string' ? content : JSON.stringify(content), 'utf8')
  const length = padmeLength(bytes.length)
  check(length + 16 <= MAX_CIPHERTEXT, `a message of ${bytes.length} bytes`)
  return Buffer.concat([bytes, Buffer.alloc(length - bytes.length, ' ')])
}

/** The JSON before the last spaces. @throws Refused unless they are as many as they must be */
export function unpad(plain: Buffer): Buffer {
  let end = plain.length
  while (end > 0 && plain[end - 1] === 0x20) end--
  check(plain.length === padmeLength(end), `${end} bytes, padded to ${plain.length}`)
  return plain.subarray(0, end)
}

export const messageHeader = ({ conversationId, key, id, by }: MessageName): string =>
  `secure-chat/v1 message\nconversation ${conversationId}\nkey ${key}\nmessage ${id}\nby ${by}\n`

/** What `ref` names of a message: the hash in its last signed line. */
export const messageDigest = ({ iv, ciphertext }: Pick<Sealed, 'iv' | 'ciphertext'>): string =>
  sha256Hex(Buffer.concat([unbase64(iv), unbase64(ciphertext)]))

const signedText = (name: MessageName, sealed: Pick<Sealed, 'iv' | 'ciphertext'>): string =>
  `${messageHeader(name)}digest ${messageDigest(sealed)}\n`

const messageKey = (sessionKey: Uint8Array, id: string): Buffer =>
  hkdf(sessionKey, uuidBytes(id), 'secure-chat/v1 message')

/** @param content an object, or the JSON itself */
export function seal(
  keys: DeviceKeys,
  sessionKey: { readonly id: string; readonly hash: string; readonly key: Uint8Array },
  place: Pick<MessageName, 'conversationId' | 'id'>,
  content: unknown
): Sealed {
  const name = { ...place, key: sessionKey.hash, by: keys.signingFp }
  const iv = randomBytes(12)
  const cipher = createCipheriv('aes-256-gcm', messageKey(sessionKey.key, name.id), iv)
  cipher.setAAD(Buffer.from(messageHeader(name)))
  const ciphertext = Buffer.concat([cipher.update(pad(content)), cipher.final(), cipher.getAuthTag()])
  const parts = { iv: base64(iv), ciphertext: base64(ciphertext) }
  const signature = sign(keys, signedText(name, parts))
  return { id: name.id, sessionKeyId: sessionKey.id, key: name.key, ...parts, signature }
}

/** True if the device of this key signed exactly these bytes for exactly this place. */
export const messageSignedBy = (signingPem: string, name: MessageName, sealed: Sealed): boolean =>
  verify(signingPem, signedText(name, sealed), sealed.signature)

/** @throws Refused if the tag, the padding or the JSON is wrong */
export function unseal(sessionKey: Uint8Array, name: MessageName, sealed: Sealed): Content {
  const bytes = unbase64(sealed.ciphertext)
  check(bytes.length > 16 && bytes.length <= MAX_CIPHERTEXT, `a ciphertext of ${bytes.length} bytes`)
  const iv = unbase64(sealed.iv)
  check(iv.length === 12, `an IV of ${iv.length} bytes`)
  const decipher = createDecipheriv('aes-256-gcm', messageKey(sessionKey, name.id), iv, { authTagLength: 16 })
  decipher.setAAD(Buffer.from(messageHeader(name)))
  decipher.setAuthTag(bytes.subarray(-16))
  const plain = refusing('a message with another tag', () =>
    Buffer.concat([decipher.update(bytes.subarray(0, -16)), decipher.final()])
  )
  return parseContent(unpad(plain))
}
