import { decodeBase64, encodeBase64 } from '../../../src/crypto/encoding.js'
import { deriveMessageKey, sealMessage } from '../../../src/crypto/messages.js'
import { alice, bob, counting, examples, publicKeys } from './actors.js'
import {
  conversationId,
  key,
  otherConversation,
  otherKey,
  otherSessionKey,
  sessionKey
} from './example-key.js'

const { id } = examples.message
const otherMessage = '0198c6f3-8e16-7b2d-94d7-6a0c1f8e7306'
const deviceId = '0198c6f2-7b1e-7c55-9d2a-3f1f0c5a9e03'
const content = { type: 'text', n: 1, sentAt: '2026-01-31T12:00:00.000Z', text: 'You sing badly.' }

export async function reportVectors() {
  const place = { conversationId, key, id, sessionKey, signer: alice, content }
  const { iv, ciphertext, signature } = await sealMessage(place, counting(0x60))
  const sender = { username: 'alice', deviceId }
  const message = { id, conversationId, key, sender, iv, ciphertext, signature }
  const messageKey = encodeBase64(await deriveMessageKey(sessionKey, id))
  const good = { by: alice.fingerprint, message, messageKey }
  const altered = encodeBase64(decodeBase64(ciphertext).map((byte, at) => (at === 0 ? byte ^ 1 : byte)))
  const moved = (change: object) => ({ message: { ...message, ...change } })
  const keyOf = async (of: typeof sessionKey, one: string) => ({
    messageKey: encodeBase64(await deriveMessageKey(of, one))
  })
  const refused: [title: string, refused: string, change: object][] = [
    ['the key of another message', 'bad-tag', await keyOf(sessionKey, otherMessage)],
    ['a key of another session key', 'bad-tag', await keyOf(otherSessionKey, id)],
    ['the session key itself', 'bad-tag', { messageKey: encodeBase64(sessionKey.bytes) }],
    ['another conversation', 'bad-signature', moved({ conversationId: otherConversation })],
    ['another key of the chain', 'bad-signature', moved({ key: otherKey })],
    ['another id', 'bad-signature', moved({ id: otherMessage })],
    ['an altered ciphertext', 'bad-signature', moved({ ciphertext: altered })],
    ['another IV', 'bad-signature', moved({ iv: encodeBase64(counting(0x61)(12)) })],
    ['another sender', 'bad-signature', { by: bob.fingerprint }]
  ]
  const { text, type } = content
  return {
    about: [
      'A report as a moderator meets it. by: the signing key of the device that `sender` names, from its user’s chain.',
      'content: what the report proves that the sender has said. refused: the code with which it must be refused.'
    ],
    keys: publicKeys,
    cases: [
      { title: 'a report', ...good, content: { type, text } },
      ...refused.map(([title, code, change]) => ({ title, ...good, ...change, refused: code }))
    ]
  }
}
