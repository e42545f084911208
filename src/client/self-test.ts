import { CryptoError } from '../crypto/errors.js'
import {
  generateEncryptionKeys,
  generateSigningKeys,
  importEncryptionKey,
  importSigningKey
} from '../crypto/keys.js'
import { openMessage, sealMessage } from '../crypto/messages.js'
import {
  generateSessionKey,
  sessionKeyCommitment,
  unwrapSessionKey,
  wrapSessionKey
} from '../crypto/session-keys.js'
import { ChatError } from './errors.js'

/**
 * Check that the cryptography of this platform works: make keys, wrap and unwrap a session key, encrypt and
 * decrypt a message, and refuse a forged one. Takes about a second.
 *
 * @throws {ChatError} `crypto-unavailable` (`usage`)
 */
export async function selfTest(): Promise<void> {
  try {
    await roundTrip()
  } catch (cause) {
    throw new ChatError('usage', 'crypto-unavailable', 'The cryptography of this platform does not work.', {
      hint: 'Node.js 20.19 or a browser of 2025 has what is needed: Ed25519, RSA-OAEP, AES-GCM and HKDF on Web Crypto.',
      cause
    })
  }
}

async function roundTrip(): Promise<void> {
  const signing = await generateSigningKeys({ extractable: false })
  const encryption = await generateEncryptionKeys({ bits: 2048, extractable: false })
  const made = await generateSessionKey()
  const wrapped = await wrapSessionKey(await importEncryptionKey(encryption.publicKey), made)
  const expected = { id: made.id, commitment: await sessionKeyCommitment(made) }
  const sessionKey = await unwrapSessionKey(encryption.privateKey, wrapped, expected)

  const conversationId = crypto.randomUUID()
  const text = 'Gruß 👋'
  const message = await sealMessage({
    conversationId,
    id: crypto.randomUUID(),
    sessionKey: made,
    signer: signing,
    content: { type: 'text', text }
  })
  const by = signing.fingerprint
  const signingKey = await importSigningKey(signing.publicKey)
  const opened = await openMessage({ conversationId, sessionKey, by, signingKey, message })
  if (opened.content['text'] !== text) throw new Error('a message does not open to what was sealed')

  const moved = { conversationId: crypto.randomUUID(), sessionKey, by, signingKey, message }
  const refusal = await openMessage(moved).catch((error: unknown) => error)
  if (!(refusal instanceof CryptoError) || refusal.code !== 'bad-signature')
    throw new Error('a message of another conversation is not refused')
}
