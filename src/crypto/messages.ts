import { SHA256_HEX } from '../protocol/ids.js'
import { MAX_CIPHERTEXT_BYTES, type NewMessage } from '../protocol/messages.js'
import { PROTOCOL } from '../protocol/statements.js'
import { decrypt, encrypt, importAesKey, IV_BYTES, TAG_BYTES } from './aes-gcm.js'
import { concat, decodeBase64, decodeUtf8, encodeBase64, encodeUtf8, uuidBytes } from './encoding.js'
import { CryptoError } from './errors.js'
import { hkdf, sha256Hex } from './hash.js'
import { sign, verify } from './keys.js'
import { parseContent, type Content } from './message-json.js'
import { pad, padmeLength, unpad } from './padding.js'
import type { SessionKey } from './session-keys.js'
import type { Signer } from './statements.js'
import { randomBytes, type CryptoKey, type Random } from './web-crypto.js'

export interface SealInput {
  readonly conversationId: string
  /** Hash of the `conversation-key` statement of the session key. */
  readonly key: string
  /** A UUID that the client chooses, another one for each message. */
  readonly id: string
  readonly sessionKey: SessionKey
  readonly signer: Signer
  readonly content: Content
}

export interface OpenInput {
  /**
   * The conversation in which the receiver found the message. Take it from own records, not from the message.
   */
  readonly conversationId: string
  /** Hash of the `conversation-key` statement of the session key, from the verified chain. */
  readonly key: string
  readonly sessionKey: SessionKey
  /** Fingerprint of the sending device's signing key. The device must be in the session key's roster. */
  readonly by: string
  readonly signingKey: CryptoKey
  readonly message: Pick<NewMessage, 'id' | 'iv' | 'ciphertext' | 'signature'>
}

/** The same with the key of this message only, which opens no other. */
export interface OpenOneInput extends Omit<OpenInput, 'sessionKey'> {
  /** From `deriveMessageKey`. */
  readonly messageKey: Uint8Array
}

export interface OpenedMessage {
  readonly content: Content
  /** Hash of IV and ciphertext. A message with a known id and another digest is an attack. */
  readonly digest: string
}

const hashForm = new RegExp(`^${SHA256_HEX}$`)
const MESSAGE_INFO = encodeUtf8('secure-chat/v1 message')

/** Largest JSON of a message in bytes of UTF-8. Put more into an attachment. */
export const MAX_CONTENT_BYTES = 63_488

/**
 * Pad, encrypt and sign a message (docs/protocol.md, "Message"). Retry with the returned message, do not seal
 * it again.
 *
 * @throws {CryptoError} `too-large` if the JSON has more than `MAX_CONTENT_BYTES`; `bad-content` if no receiver
 *   would open it; `bad-encoding` if an id or a hash is malformed
 */
export async function sealMessage(
  { conversationId, key, id, sessionKey, signer, content }: SealInput,
  random: Random = randomBytes
): Promise<NewMessage> {
  const json = JSON.stringify(content)
  parseContent(json)
  const plaintext = encodeUtf8(json)
  if (padmeLength(plaintext.length) + TAG_BYTES > MAX_CIPHERTEXT_BYTES)
    throw new CryptoError('too-large', `A message holds at most ${MAX_CONTENT_BYTES} bytes of JSON.`)
  const header = messageHeader(conversationId, key, id, signer.fingerprint)
  const iv = random(IV_BYTES)
  const ciphertext = await encrypt(
    await importAesKey(await deriveMessageKey(sessionKey, id)),
    iv,
    pad(plaintext),
    encodeUtf8(header)
  )
  const signature = await sign(signer.privateKey, signedText(header, await digest(iv, ciphertext)))
  return {
    id,
    sessionKeyId: sessionKey.id,
    key,
    iv: encodeBase64(iv),
    ciphertext: encodeBase64(ciphertext),
    signature
  }
}

/**
 * Verify and decrypt a message: signature, tag, padding and JSON, in this order. Nothing is returned unless
 * all are valid. The caller checks that the device is in the roster, that the id is new, and that `n` is the
 * next one.
 *
 * @throws {CryptoError} `bad-signature`, `bad-tag`, `bad-padding` or `bad-content`; `bad-encoding` or
 *   `too-large` if the message is malformed
 */
export async function openMessage({ sessionKey, ...input }: OpenInput): Promise<OpenedMessage> {
  return openOneMessage({ ...input, messageKey: await deriveMessageKey(sessionKey, input.message.id) })
}

/**
 * The same for somebody who was given the key of one message, and not the session key (docs/protocol.md, "Report").
 *
 * @throws {CryptoError} as `openMessage`; `bad-key` if the key does not have 32 bytes
 */
export async function openOneMessage({
  conversationId,
  key,
  messageKey,
  by,
  signingKey,
  message
}: OpenOneInput): Promise<OpenedMessage> {
  const iv = decodeBase64(message.iv)
  const ciphertext = decodeBase64(message.ciphertext)
  if (ciphertext.length > MAX_CIPHERTEXT_BYTES)
    throw new CryptoError('too-large', `A message has at most 65,536 bytes, not ${ciphertext.length}.`)
  const header = messageHeader(conversationId, key, message.id, by)
  const [hash, aesKey] = await Promise.all([digest(iv, ciphertext), importAesKey(messageKey)])
  if (!(await verify(signingKey, signedText(header, hash), message.signature)))
    throw new CryptoError(
      'bad-signature',
      'The message is not signed by this device for this conversation and this key of its chain.'
    )
  const plaintext = unpad(await decrypt(aesKey, iv, ciphertext, encodeUtf8(header)))
  return { content: parseContent(textOf(plaintext)), digest: hash }
}

/**
 * Whether a device has signed a message for this conversation and this key's statement. It tells a forged
 * message from one that was said in another chain.
 */
export async function isSigned({
  conversationId,
  key,
  by,
  signingKey,
  message
}: Omit<OpenInput, 'sessionKey'>): Promise<boolean> {
  const header = messageHeader(conversationId, key, message.id, by)
  return verify(signingKey, signedText(header, await messageDigest(message)), message.signature)
}

/**
 * The hash of a message's IV and ciphertext in hex. It tells a repeat from another message with the same id.
 */
export async function messageDigest(message: Pick<NewMessage, 'iv' | 'ciphertext'>): Promise<string> {
  return digest(decodeBase64(message.iv), decodeBase64(message.ciphertext))
}

function digest(iv: Uint8Array, ciphertext: Uint8Array): Promise<string> {
  return sha256Hex(concat(iv, ciphertext))
}

function messageHeader(conversation: string, key: string, id: string, by: string): string {
  if (!hashForm.test(key)) throw new CryptoError('bad-encoding', 'A hash is 64 lower-case hex digits.')
  return `${PROTOCOL} message\nconversation ${conversation}\nkey ${key}\nmessage ${id}\nby ${by}\n`
}

function signedText(header: string, hash: string): string {
  return `${header}digest ${hash}\n`
}

/** The key of one message: it tells nothing of the session key, nor of the keys of other messages. */
export async function deriveMessageKey({ hkdfKey }: SessionKey, id: string): Promise<Uint8Array> {
  return hkdf(hkdfKey, uuidBytes(id), MESSAGE_INFO)
}

function textOf(plaintext: Uint8Array): string {
  try {
    return decodeUtf8(plaintext)
  } catch (cause) {
    throw new CryptoError('bad-content', 'The message is not in UTF-8.', { cause })
  }
}
