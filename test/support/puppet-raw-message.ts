import { randomUUID } from 'node:crypto'
import { encrypt, importAesKey, IV_BYTES } from '../../src/crypto/aes-gcm.js'
import { concat, encodeBase64, encodeUtf8, uuidBytes } from '../../src/crypto/encoding.js'
import { hkdf, sha256Hex } from '../../src/crypto/hash.js'
import { sign } from '../../src/crypto/keys.js'
import { pad } from '../../src/crypto/padding.js'
import { randomBytes } from '../../src/crypto/web-crypto.js'
import type { NewMessage } from '../../src/protocol/messages.js'
import type { PuppetDevice } from './puppet.js'
import type { PuppetKey } from './puppet-conversation.js'

/** Any bytes as a message, sealed and signed as they should be. */
export async function rawMessage(
  conversationId: string,
  { hash, secret }: PuppetKey,
  { signing }: Pick<PuppetDevice, 'signing'>,
  plaintext: string | Uint8Array
): Promise<NewMessage> {
  const id = randomUUID()
  const by = signing.fingerprint
  const header = `secure-chat/v1 message\nconversation ${conversationId}\nkey ${hash}\nmessage ${id}\nby ${by}\n`
  const iv = randomBytes(IV_BYTES)
  const key = await importAesKey(
    await hkdf(secret.hkdfKey, uuidBytes(id), encodeUtf8('secure-chat/v1 message'))
  )
  const bytes = typeof plaintext === 'string' ? encodeUtf8(plaintext) : plaintext
  const ciphertext = await encrypt(key, iv, pad(bytes), encodeUtf8(header))
  const digest = await sha256Hex(concat(iv, ciphertext))
  return {
    id,
    sessionKeyId: secret.id,
    key: hash,
    iv: encodeBase64(iv),
    ciphertext: encodeBase64(ciphertext),
    signature: await sign(signing.privateKey, `${header}digest ${digest}\n`)
  }
}
