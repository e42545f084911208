import { ml_kem768 } from '@noble/post-quantum/ml-kem.js'
import { createCipheriv, createHash, hkdfSync } from 'node:crypto'
import { counting } from './actors.js'
import { oaep } from './oaep.js'

/** The device that a session key is wrapped for. */
export interface Reader {
  /** Fingerprint of its signing key. */
  signingKey: string
  /** SPKI PEM. */
  encryptionKey: string
  kemKey: Uint8Array
}

/**
 * A hybrid wrap that is made with nothing random, and not by the code that it tests (docs/protocol.md, "Wraps").
 *
 * @param statement hash of the `conversation-key` statement
 */
export function hybridWrap(
  { signingKey, encryptionKey, kemKey }: Reader,
  statement: string,
  sessionKey: Uint8Array,
  { random = counting(0x90)(32), iv = new Uint8Array(12) }: { random?: Uint8Array; iv?: Uint8Array } = {}
): Buffer {
  const { cipherText, sharedSecret } = ml_kem768.encapsulate(kemKey, counting(0xb0)(32))
  const rsa = oaep(encryptionKey, random)
  const salt = createHash('sha256').update(statement, 'hex').update(cipherText).update(rsa).digest()
  const ikm = Buffer.concat([sharedSecret, random])
  const wrapKey = Buffer.from(hkdfSync('sha256', ikm, salt, 'secure-chat/v1 wrap', 32))
  const cipher = createCipheriv('aes-256-gcm', wrapKey, iv)
  cipher.setAAD(Buffer.from(`secure-chat/v1 wrap\nstatement ${statement}\ndevice ${signingKey}\n`))
  return Buffer.concat([cipherText, rsa, cipher.update(sessionKey), cipher.final(), cipher.getAuthTag()])
}
