import t from 'tap'
import { decodeHex, encodeUtf8 } from '../../src/crypto/encoding.js'
import { generateSigningKeys, importSigningKey } from '../../src/crypto/keys.js'
import { MAX_CONTENT_BYTES, messageDigest, openMessage, sealMessage } from '../../src/crypto/messages.js'
import { pad, padmeLength, unpad } from '../../src/crypto/padding.js'
import { generateSessionKey, importSessionKey } from '../../src/crypto/session-keys.js'
import type { NewMessage } from '../../src/protocol/messages.js'
import { refusal } from '../support/refusal.js'
import { vectors } from '../support/vectors.js'

interface Case {
  title: string
  conversationId: string
  sessionKey: { id: string; key: string }
  by: string
  message: NewMessage
  content?: object
  digest?: string
  attack?: string
  refused?: string
}

const { keys, cases } = vectors<{ keys: Record<string, string>; cases: Case[] }>('messages')

async function received({ conversationId, sessionKey, by, message }: Case) {
  const key = await importSessionKey(sessionKey.id, decodeHex(sessionKey.key))
  const signingKey = await importSigningKey(keys[by]!)
  return openMessage({ conversationId, sessionKey: key, by, signingKey, message })
}

t.test('A message opens only in its own place, under its sender, and unaltered', async (t) => {
  for (const one of cases)
    if (one.refused === undefined) {
      t.strictSame(await received(one), { content: one.content, digest: one.digest }, one.title)
      t.equal(await messageDigest(one.message), one.digest)
    } else t.equal(await refusal(received(one)), one.refused, `${one.attack}: ${one.title}`)
  for (const attack of ['moved-message', 'forged-message', 'malformed-message'])
    t.ok(
      cases.some((one) => one.attack === attack),
      attack
    )
})

t.test('A sealed message opens again, and is never the same twice', async (t) => {
  const signer = await generateSigningKeys({ extractable: false })
  const signingKey = await importSigningKey(signer.publicKey)
  const sessionKey = await generateSessionKey()
  const conversationId = crypto.randomUUID()
  const id = crypto.randomUUID()
  const content = { type: 'text', n: 1, text: 'ünïcödé 🙂', nested: { list: [1, 'two', null] } }
  const place = { conversationId, id, sessionKey, signer, content }
  const message = await sealMessage(place)
  const again = await sealMessage(place)
  t.not(message.iv, again.iv)
  t.not(message.ciphertext, again.ciphertext)
  t.strictSame(Object.keys(message).sort(), ['ciphertext', 'id', 'iv', 'sessionKeyId', 'signature'])
  const opened = await openMessage({
    conversationId,
    sessionKey,
    by: signer.fingerprint,
    signingKey,
    message
  })
  t.strictSame(opened.content, content)
})

t.test('A message holds at most 63,488 bytes of JSON', async (t) => {
  const signer = await generateSigningKeys({ extractable: false })
  const place = {
    conversationId: crypto.randomUUID(),
    id: crypto.randomUUID(),
    signer,
    sessionKey: await generateSessionKey()
  }
  const text = 'x'.repeat(MAX_CONTENT_BYTES - JSON.stringify({ text: '' }).length)
  t.ok(await sealMessage({ ...place, content: { text } }))
  t.equal(await refusal(sealMessage({ ...place, content: { text: `${text}x` } })), 'too-large')
})

t.test('Lengths are padded by Padmé', async (t) => {
  for (const [length, padded] of vectors<{ padme: [number, number][] }>('examples').padme)
    t.equal(padmeLength(length), padded, `${length}`)
  for (let length = 1; length < 2000; length++) {
    const padded = padmeLength(length)
    if (padded < length || padded > Math.max(256, length * 1.12) || padmeLength(padded) !== padded)
      t.fail(`${length} is padded to ${padded}`)
  }
  t.strictSame(unpad(pad(encodeUtf8('{"a":" "}'))), encodeUtf8('{"a":" "}'))
})
