import { decodeHex, encodeBase64 } from '../crypto/encoding.js'
import { CryptoError } from '../crypto/errors.js'
import { decodeKemKey, generateKemKeys } from '../crypto/kem.js'
import {
  generateEncryptionKeys,
  generateSigningKeys,
  importEncryptionKey,
  importSigningKey,
  verify
} from '../crypto/keys.js'
import { openMessage, sealMessage } from '../crypto/messages.js'
import { encodePem } from '../crypto/pem.js'
import { generateSessionKey, sessionKeyCommitment, type SessionKey } from '../crypto/session-keys.js'
import { unwrapSessionKey, wrapSessionKey } from '../crypto/wraps.js'
import { requireWebCrypto } from './check-options.js'
import { ChatError } from './errors.js'

/**
 * Check that the cryptography of this platform works: make keys, wrap and unwrap a session key, encrypt and
 * decrypt a message, and refuse a forged one. Takes about a second.
 *
 * @throws {ChatError} `crypto-unavailable` (`usage`)
 */
export async function selfTest(): Promise<void> {
  requireWebCrypto()
  try {
    await roundTrip()
  } catch (cause) {
    throw new ChatError('usage', 'crypto-unavailable', 'The cryptography of this platform does not work.', {
      hint: 'Node.js 20.19 or a browser of 2025 has what is needed: Ed25519, RSA-OAEP, AES-GCM and HKDF on Web Crypto.',
      cause
    })
  }
}

/** A hash in place of that of a `conversation-key` statement. */
const KEY = 'c'.repeat(64)

async function roundTrip(): Promise<void> {
  const signing = await generateSigningKeys({ extractable: false })
  const made = await generateSessionKey()
  const sessionKey = await wrappedAndUnwrapped(made, signing.fingerprint)
  const conversationId = crypto.randomUUID()
  const text = 'Gruß 👋'
  const message = await sealMessage({
    conversationId,
    key: KEY,
    id: crypto.randomUUID(),
    sessionKey: made,
    signer: signing,
    content: { type: 'text', text }
  })
  const signingKey = await importSigningKey(signing.publicKey)
  const received = { conversationId, key: KEY, sessionKey, by: signing.fingerprint, signingKey, message }
  const opened = await openMessage(received)
  if (opened.content['text'] !== text) throw new Error('a message does not open to what was sealed')

  const moved = { ...received, conversationId: crypto.randomUUID() }
  const refusal = await openMessage(moved).catch((error: unknown) => error)
  if (!(refusal instanceof CryptoError) || refusal.code !== 'bad-signature')
    throw new Error('a message of another conversation is not refused')
  await requireNoCofactor()
}

/** @param reader fingerprint of the signing key */
async function wrappedAndUnwrapped(made: SessionKey, reader: string): Promise<SessionKey> {
  const encryption = await generateEncryptionKeys({ bits: 2048, extractable: false })
  const kem = await generateKemKeys()
  const recipient = {
    signingKey: reader,
    encryptionKey: await importEncryptionKey(encryption.publicKey),
    kemKey: decodeKemKey(kem.publicKey)
  }
  const keys = { signingKey: reader, encryptionKey: encryption.privateKey, kemSeed: kem.seed }
  const statement = { hash: KEY, sessionKey: made.id, commitment: await sessionKeyCommitment(made) }
  return unwrapSessionKey(await wrapSessionKey(made, recipient, KEY), keys, statement)
}

/**
 * A platform that multiplies by the cofactor accepts signatures that all others refuse (docs/protocol.md,
 * "Signatures"). This one is case 4 of ed25519-speccheck.
 */
async function requireNoCofactor(): Promise<void> {
  const spki = '302a300506032b6570032100cdb267ce40c5cd45306fa5d2f29731459387dbf9eb933b7bd5aed9a765b88d4d'
  const message = 'e47d62c63f830dc7a6851a0b1f33ae4bb2f507fb6cffec4011eaccd55b53f56c'
  const signature =
    '160a1cb0dc9c0258cd0a7d23e94d8fa878bcb1925f2c64246b2dee1796bed512' +
    '5ec6bc982a269b723e0668e540911a9a6a58921d6925e434ab10aa7940551a09'
  const key = await importSigningKey(encodePem(decodeHex(spki)))
  if (await verify(key, decodeHex(message), encodeBase64(decodeHex(signature))))
    throw new Error('a signature verifies that only holds with the cofactor')
}
