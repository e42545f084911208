import { openMessage } from '../../src/crypto/messages.js'
import { importSigningKey } from '../../src/crypto/keys.js'
import type { SessionKey } from '../../src/crypto/session-keys.js'
import { unwrapSessionKey } from '../../src/crypto/wraps.js'
import { parseStatement } from '../../src/protocol/parse-statement.js'
import type { FakeConversation, FakeKey } from './fake-conversation.js'
import type { FakeWorld } from './fake-world.js'
import type { PuppetDevice } from './puppet.js'

/** The session key as the holder of a device's keys opens it; null if no wrap is for the device. */
export async function openKey(
  { hash, statement, wraps, added }: FakeKey,
  device: PuppetDevice
): Promise<SessionKey | null> {
  const { sessionKey, commitment } = parseStatement(statement.text, ['conversation-key'])
  const keys = {
    signingKey: device.signing.fingerprint,
    encryptionKey: device.encryption.privateKey,
    kemSeed: device.kem.seed
  }
  const later = added.get(device.id)?.map(({ wrappedKey }) => wrappedKey) ?? []
  for (const wrapped of [wraps.get(device.id), ...later]) {
    if (wrapped === undefined) continue
    const opened = await unwrapSessionKey(wrapped, keys, { hash, sessionKey, commitment }).catch(() => null)
    if (opened !== null) return opened
  }
  return null
}

/** All texts of a conversation that the holder of a device's keys, and of all that is stored, can read. */
export async function readableFor(
  device: PuppetDevice,
  { id, keys, messages }: FakeConversation,
  world: FakeWorld
): Promise<string[]> {
  const texts: string[] = []
  for (const message of messages) {
    const key = keys.find(({ hash }) => hash === message.key)
    const sessionKey = key && (await openKey(key, device))
    if (!sessionKey) continue
    for (const [by, pem] of world.requireUser(message.sender.username).pems) {
      const place = { conversationId: id, key: message.key, sessionKey, by }
      const signingKey = await importSigningKey(pem)
      const opened = await openMessage({ ...place, signingKey, message }).catch(() => null)
      if (opened !== null) texts.push(String(opened.content['text'] ?? opened.content['type']))
    }
  }
  return texts
}
