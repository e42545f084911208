import type { NewMessage } from '../protocol/messages.js'
import { MAX_CONTENT_BYTES, seal } from '../crypto/messages.js'
import { CryptoError } from '../crypto/errors.js'
import type { Content } from './content.js'
import type { Core } from './core.js'
import { ChatError } from './errors.js'
import type { HeldKey } from './session-keys.js'

/** What this device has to say, as the `n`th message that it seals under a session key. */
export async function sealed(
  core: Core,
  { conversationId, material }: HeldKey,
  { id, content, sentAt }: { id: string; content: Content; sentAt: string },
  n: number
): Promise<NewMessage> {
  const signer = core.identity.active().device.signing
  try {
    const plaintext = { ...content, n, sentAt }
    return await seal({ conversationId, id, sessionKey: material, signer, content: plaintext })
  } catch (error) {
    if (!(error instanceof CryptoError) || error.code !== 'too-large') throw error
    throw new ChatError('usage', 'message-too-large', `A message has ${MAX_CONTENT_BYTES} bytes at most.`)
  }
}
