import { encrypt, importAesKey } from '../../../src/crypto/aes-gcm.js'
import { decodeBase64, encodeBase64, encodeHex, encodeUtf8, uuidBytes } from '../../../src/crypto/encoding.js'
import { hkdf, sha256Hex } from '../../../src/crypto/hash.js'
import { sign } from '../../../src/crypto/keys.js'
import { MAX_CONTENT_BYTES, messageDigest, sealMessage } from '../../../src/crypto/messages.js'
import { pad } from '../../../src/crypto/padding.js'
import type { NewMessage } from '../../../src/protocol/messages.js'
import { alice, bob, counting, examples, fakeHash, malleable, mallory, publicKeys } from './actors.js'
import {
  conversationId,
  key,
  otherConversation,
  otherKey,
  otherSessionKey,
  sessionKey
} from './example-key.js'
import { acceptedTexts, refusedTexts } from './message-dialect.js'

const { id } = examples.message
const otherMessage = '0198c6f3-8e16-7b2d-94d7-6a0c1f8e7306'
const sentAt = '2026-01-31T12:00:00.000Z'
const hello = { type: 'text', n: 1, sentAt, text: 'Hello Bob ✓' }
const iv = counting(0x60)(12)
const place = { conversationId, key, id, sessionKey, signer: alice }

/** A JSON text of exactly `length` bytes. */
const ofLength = (length: number) => {
  const content = { type: 'text', n: 1, sentAt, text: '' }
  return { ...content, text: 'x'.repeat(length - JSON.stringify(content).length) }
}

/** A message that is encrypted and signed correctly, with arbitrary bytes as its plaintext. */
async function sealBytes(plaintext: Uint8Array): Promise<NewMessage> {
  const header = `secure-chat/v1 message\nconversation ${conversationId}\nkey ${key}\nmessage ${id}\nby ${alice.fingerprint}\n`
  const aesKey = await importAesKey(
    await hkdf(sessionKey.hkdfKey, uuidBytes(id), encodeUtf8('secure-chat/v1 message'))
  )
  return signBytes(header, await encrypt(aesKey, iv, plaintext, encodeUtf8(header)))
}

async function signBytes(header: string, ciphertext: Uint8Array): Promise<NewMessage> {
  const digest = await sha256Hex(Uint8Array.from([...iv, ...ciphertext]))
  const signature = await sign(alice.privateKey, `${header}digest ${digest}\n`)
  return {
    id,
    sessionKeyId: sessionKey.id,
    key,
    iv: encodeBase64(iv),
    ciphertext: encodeBase64(ciphertext),
    signature
  }
}

export async function messageVectors() {
  const message = await sealMessage({ ...place, content: hello }, () => iv)
  const known = { id: sessionKey.id, key: encodeHex(sessionKey.bytes) }
  const good = { conversationId, key, sessionKey: known, by: alice.fingerprint, message }
  const contents: [title: string, content: object][] = [
    ['a text', hello],
    ['an answer', { ...hello, n: 2, ref: { id: otherMessage, digest: fakeHash('a message') } }],
    [
      'one of a type that nobody knows',
      { type: 'x-unknown', n: 3, sentAt, more: [null, 1.5, { deep: true }] }
    ],
    ['256 bytes of JSON, which need no padding', ofLength(256)],
    ['257 bytes of JSON, padded to 272', ofLength(257)],
    ['the largest that there may be', ofLength(MAX_CONTENT_BYTES)]
  ]
  const accepted = contents.map(async ([title, content]) => {
    const sealed = await sealMessage({ ...place, content: { ...content } }, () => iv)
    return { title, ...good, message: sealed, content, digest: await messageDigest(sealed) }
  })
  return {
    about: [
      'A message as a receiver meets it. conversationId, key (hash of the conversation-key statement), sessionKey and by are',
      'what the receiver knows; message is the server’s word. content, digest: what must come out. json: the plaintext, where',
      'content is written in another way. refused: the code with which it must be refused.'
    ],
    keys: publicKeys,
    cases: [
      ...(await Promise.all(accepted)),
      ...(await dialect(good)),
      ...(await moved(good)),
      ...(await altered(good)),
      ...(await malformed(good))
    ]
  }
}

type Good = { conversationId: string; key: string; sessionKey: object; by: string; message: NewMessage }

/** Members' devices have signed them all. */
async function dialect(good: Good) {
  const seal = (json: string) => sealBytes(pad(encodeUtf8(json)))
  const accepted = acceptedTexts.map(async ([title, json]) => {
    const message = await seal(json)
    const content = JSON.parse(json) as object
    return { title, ...good, message, json, content, digest: await messageDigest(message) }
  })
  const refused = refusedTexts.map(async ([title, json]) => {
    return { title, ...good, message: await seal(json), attack: 'malformed-message', refused: 'bad-content' }
  })
  return [...(await Promise.all(accepted)), ...(await Promise.all(refused))]
}

/** Messages from another place or another sender. */
async function moved(good: Good) {
  const changes: [title: string, change: object, attack: string][] = [
    ['it was sent in another conversation', { conversationId: otherConversation }, 'moved-message'],
    ['it was sent under another key of the chain', { key: otherKey }, 'moved-message'],
    ['it was sent under another id', { message: { ...good.message, id: otherMessage } }, 'moved-message'],
    ['it is shown as another device’s', { by: bob.fingerprint }, 'forged-message'],
    [
      'it was signed by another than its sender',
      {
        message: await sealMessage(
          { ...place, signer: { ...mallory, fingerprint: alice.fingerprint }, content: hello },
          () => iv
        )
      },
      'forged-message'
    ]
  ]
  return changes.map(([title, change, attack]) => ({
    title,
    ...good,
    ...change,
    attack,
    refused: 'bad-signature'
  }))
}

async function altered(good: Good) {
  const { message } = good
  const flip = (text: string) => {
    const bytes = decodeBase64(text)
    bytes[0]! ^= 1
    return encodeBase64(bytes)
  }
  const changes: [title: string, change: Partial<NewMessage>][] = [
    ['a bit of the ciphertext was flipped', { ciphertext: flip(message.ciphertext) }],
    ['a bit of the IV was flipped', { iv: flip(message.iv) }],
    ['a bit of the signature was flipped', { signature: flip(message.signature) }],
    [
      'the ciphertext was cut',
      { ciphertext: encodeBase64(decodeBase64(message.ciphertext).subarray(0, -1)) }
    ],
    ['S of the signature is larger than the order', { signature: malleable(message.signature) }],
    ['there is no signature', { signature: '' }]
  ]
  return changes.map(([title, change]) => {
    return {
      title,
      ...good,
      message: { ...message, ...change },
      attack: 'forged-message',
      refused: 'bad-signature'
    }
  })
}

/** Malformed messages that a member's device has signed. */
async function malformed(good: Good) {
  const json = encodeUtf8(JSON.stringify(hello))
  const padded = pad(json)
  const header = 'secure-chat/v1 message\nconversation x\n'
  const cases: [title: string, message: NewMessage, refused: string][] = [
    [
      'it was encrypted under another key',
      await sealMessage({ ...place, sessionKey: otherSessionKey, content: hello }, () => iv),
      'bad-tag'
    ],
    ['nothing was encrypted', await sealBytes(new Uint8Array()), 'bad-padding'],
    ['it is not padded', await sealBytes(json), 'bad-padding'],
    [
      'it is padded too far',
      await sealBytes(Uint8Array.from([...padded, ...new Uint8Array(16).fill(0x20)])),
      'bad-padding'
    ],
    [
      'it is padded with zeros',
      await sealBytes(padded.map((byte, at) => (at < json.length ? byte : 0))),
      'bad-content'
    ],
    ['it is no JSON', await sealBytes(pad(encodeUtf8('{"type":'))), 'bad-content'],
    ['it is an array', await sealBytes(pad(encodeUtf8('[]'))), 'bad-content'],
    ['it is null', await sealBytes(pad(encodeUtf8('null'))), 'bad-content'],
    ['it is two objects', await sealBytes(pad(encodeUtf8('{}{}'))), 'bad-content'],
    ['it is no UTF-8', await sealBytes(pad(Uint8Array.of(0x7b, 0x22, 0xff, 0x22, 0x7d))), 'bad-content'],
    ['it begins with a byte order mark', await sealBytes(pad(encodeUtf8('\ufeff{}'))), 'bad-content'],
    ['it is too large', await sealBytes(pad(new Uint8Array(MAX_CONTENT_BYTES + 1).fill(0x78))), 'too-large'],
    [
      'its ciphertext is no base64',
      { ...good.message, ciphertext: `${good.message.ciphertext}\n` },
      'bad-encoding'
    ],
    ['its base64 is that of URLs', { ...good.message, iv: '_'.repeat(16) }, 'bad-encoding'],
    ['its base64 has unused bits', { ...good.message, ciphertext: 'AB==' }, 'bad-encoding'],
    ['its id is in upper case', { ...good.message, id: id.toUpperCase() }, 'bad-encoding'],
    ['it has another header', await signBytes(header, decodeBase64(good.message.ciphertext)), 'bad-signature']
  ]
  return cases.map(([title, message, refused]) => ({
    title,
    ...good,
    message,
    attack: 'malformed-message',
    refused
  }))
}
