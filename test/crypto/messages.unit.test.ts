import t from 'tap'
import { decodeHex, encodeUtf8 } from '../../src/crypto/encoding.js'
import { generateSigningKeys, importSigningKey } from '../../src/crypto/keys.js'
import type { Content } from '../../src/crypto/message-json.js'
import {
  isSigned,
  MAX_CONTENT_BYTES,
  messageDigest,
  openMessage,
  sealMessage
} from '../../src/crypto/messages.js'
import { pad, padmeLength, unpad } from '../../src/crypto/padding.js'
import { generateSessionKey, importSessionKey } from '../../src/crypto/session-keys.js'
import type { NewMessage } from '../../src/protocol/messages.js'
import { refusal } from '../support/refusal.js'
import { vectors } from '../support/vectors.js'

interface Case {
  title: string
  conversationId: string
  key: string
  sessionKey: { id: string; key: string }
  by: string
  message: NewMessage
  content?: Content
  json?: string
  digest?: string
  attack?: string
  refused?: string
}

const { keys, cases } = vectors<{ keys: Record<string, string>; cases: Case[] }>('messages')

async function received({ conversationId, key, sessionKey, by, message }: Case) {
  const material = await importSessionKey(sessionKey.id, decodeHex(sessionKey.key))
  const signingKey = await importSigningKey(keys[by]!)
  return openMessage({ conversationId, key, sessionKey: material, by, signingKey, message })
}

t.test('A message opens only in its own place, under its sender, and unaltered', async (t) => {
  for (const one of cases)
    if (one.refused === undefined) {
      const { content, digest } = await received(one)
      t.equal(JSON.stringify(content), JSON.stringify(one.content), one.title)
      t.equal(digest, one.digest)
      t.equal(await messageDigest(one.message), digest)
    } else t.equal(await refusal(received(one)), one.refused, `${one.attack}: ${one.title}`)
  for (const attack of ['moved-message', 'forged-message', 'malformed-message'])
    t.ok(
      cases.some((one) => one.attack === attack),
      attack
    )
})

const key = 'c'.repeat(64)

t.test('Without the session key, a message still shows whether its device has signed it', async (t) => {
  const sound = [undefined, 'bad-tag', 'bad-padding', 'bad-content']
  for (const { title, conversationId, key, by, message, refused } of cases) {
    if (refused !== 'bad-signature' && !sound.includes(refused)) continue
    const signingKey = await importSigningKey(keys[by]!)
    const found = await isSigned({ conversationId, key, by, signingKey, message })
    t.equal(found, refused !== 'bad-signature', title)
  }
})

t.test('Nothing is sealed that no receiver would open', async (t) => {
  const signer = await generateSigningKeys({ extractable: false })
  const sessionKey = await generateSessionKey()
  const place = { conversationId: crypto.randomUUID(), key, id: crypto.randomUUID(), signer, sessionKey }
  const deep = (depth: number): object => (depth === 1 ? {} : { x: deep(depth - 1) })
  const seal = (content: Content) => refusal(sealMessage({ ...place, content }))
  t.equal(await seal({ n: 1, x: deep(15), text: '🙂', list: [{ a: 1 }, { a: 1 }] }), 'accepted')
  const bad: Record<string, Content> = {
    'half of a surrogate pair': { n: 1, text: '🙂'.slice(0, 1) },
    'half of a surrogate pair in a name': { n: 1, ['🙂'.slice(1)]: 1 },
    'a depth of 17': { n: 1, x: deep(16) },
    'n as a fraction': { n: 1.5 },
    'n as a text': { n: '1' },
    'n that is written with an exponent': { n: 1e21 },
    'n that is no number': { n: NaN },
    'a list': [] as unknown as Content
  }
  for (const [title, content] of Object.entries(bad)) t.equal(await seal(content), 'bad-content', title)
  for (const hash of ['', key.toUpperCase(), `${key}\nby ${key}`])
    t.equal(await refusal(sealMessage({ ...place, key: hash, content: { n: 1 } })), 'bad-encoding')
})

t.test('A sealed message opens again, and is never the same twice', async (t) => {
  const signer = await generateSigningKeys({ extractable: false })
  const signingKey = await importSigningKey(signer.publicKey)
  const sessionKey = await generateSessionKey()
  const conversationId = crypto.randomUUID()
  const id = crypto.randomUUID()
  const content = { type: 'text', n: 1, text: 'ünïcödé 🙂', nested: { list: [1, 'two', null] } }
  const place = { conversationId, key, id, sessionKey, signer, content }
  const message = await sealMessage(place)
  const again = await sealMessage(place)
  t.not(message.iv, again.iv)
  t.not(message.ciphertext, again.ciphertext)
  t.strictSame(Object.keys(message).sort(), ['ciphertext', 'id', 'iv', 'key', 'sessionKeyId', 'signature'])
  t.equal(message.key, key)
  const opened = await openMessage({
    conversationId,
    key,
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
    key,
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
  for (let exponent = 9; exponent <= 48; exponent++) {
    const power = 2 ** exponent
    for (const [length, padded] of [
      [power, power],
      [power - 1, power],
      [power + 1, power + 2 ** (exponent - Math.floor(Math.log2(exponent)) - 1)]
    ] as const)
      if (length <= 2 ** 48) t.equal(padmeLength(length), padded, `${length}`)
  }
  t.strictSame(unpad(pad(encodeUtf8('{"a":" "}'))), encodeUtf8('{"a":" "}'))
})
