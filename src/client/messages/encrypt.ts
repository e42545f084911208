import { CryptoError } from '../../crypto/errors.js'
import { MAX_CONTENT_BYTES, sealMessage } from '../../crypto/messages.js'
import type { NewMessage } from '../../protocol/messages.js'
import { ChatError } from '../errors.js'
import type { Signer } from '../../crypto/statements.js'
import type { UsableKey } from '../session-keys/store.js'
import type { Content } from '../types/content.js'

/** A message before it is encrypted. */
export interface Draft {
  id: string
  content: Content
  sentAt: string
}

export interface EncryptedMessage {
  sealed: NewMessage
  /** Fingerprint of the signing key. */
  by: string
}

/** Encrypts and signs a draft with its counter `n`. */
export type Encrypt = (draft: Draft, n: number) => Promise<EncryptedMessage>

/** Encrypts under a session key, and signs as this device. @param signer the device's signing keys */
export function encryptor(signer: Signer, { conversationId, material, link }: UsableKey): Encrypt {
  return async ({ id, content, sentAt }, n) => {
    try {
      const plaintext = { ...content, n, sentAt }
      const sealed = await sealMessage({
        conversationId,
        key: link.hash,
        id,
        sessionKey: material,
        signer,
        content: plaintext
      })
      return { sealed, by: signer.fingerprint }
    } catch (error) {
      if (error instanceof CryptoError && error.code === 'bad-content')
        throw new ChatError('usage', 'invalid-content', error.message, { cause: error })
      if (!(error instanceof CryptoError) || error.code !== 'too-large') throw error
      throw new ChatError('usage', 'message-too-large', `A message has ${MAX_CONTENT_BYTES} bytes at most.`)
    }
  }
}
