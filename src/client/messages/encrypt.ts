import { MAX_CONTENT_BYTES, seal } from '../../crypto/messages.js'
import { CryptoError } from '../../crypto/errors.js'
import type { Core } from '../core.js'
import { ChatError } from '../errors.js'
import type { Seal } from '../outbox/state.js'
import type { HeldKey } from '../session-keys/store.js'

/** Seals what this device has to say under a session key. */
export function sealer(core: Core, { conversationId, material }: HeldKey): Seal {
  const signer = core.identity.active().device.signing
  return async ({ id, content, sentAt }, n) => {
    try {
      const plaintext = { ...content, n, sentAt }
      const sealed = await seal({ conversationId, id, sessionKey: material, signer, content: plaintext })
      return { sealed, by: signer.fingerprint }
    } catch (error) {
      if (!(error instanceof CryptoError) || error.code !== 'too-large') throw error
      throw new ChatError('usage', 'message-too-large', `A message has ${MAX_CONTENT_BYTES} bytes at most.`)
    }
  }
}
