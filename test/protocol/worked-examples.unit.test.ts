import {
  constants,
  createCipheriv,
  createDecipheriv,
  createHash,
  createPrivateKey,
  createPublicKey,
  hkdfSync,
  privateDecrypt,
  sign,
  verify,
  type KeyObject
} from 'node:crypto'
import { ml_kem768 } from '@noble/post-quantum/ml-kem.js'
import t, { type Test } from 'tap'
import { parseStatement } from '../../src/protocol/parse-statement.js'
import { vectors } from '../support/vectors.js'

interface Device {
  signingSeed: string
  signingKey: string
  signingFingerprint: string
  encryptionPrivateKey?: string
  encryptionKey: string
  encryptionFingerprint: string
}

interface Signed {
  text: string
  hash: string
  signature: string
}

interface Examples {
  keys: {
    alice: Device
    bob: Device & Record<'encryptionPrivateKey' | 'kemSeed' | 'kemKey' | 'kemFingerprint', string>
  }
  deviceAdd: { alice: Signed; bob: Signed }
  deviceLogin: Signed
  conversationCreate: Signed
  sessionKey: {
    id: string
    key: string
    commitment: string
    roster: string
    rosterHash: string
    statement: Signed
  }
  wrap: Record<
    'sharedSecret' | 'random' | 'salt' | 'key' | 'additionalData' | 'sealed' | 'wrappedKey',
    string
  >
  padme: [length: number, padded: number][]
  message: {
    id: string
    header: string
    key: string
    iv: string
    plaintext: string
    length: number
    paddedLength: number
    ciphertext: string
    digest: string
    signature: string
  }
  reaction: { plaintext: string }
}

const examples = vectors<Examples>('examples')
const { keys, deviceAdd, deviceLogin, conversationCreate, sessionKey, wrap, message, reaction } = examples
const { alice, bob } = keys

const sha256 = (data: string | Buffer): string => createHash('sha256').update(data).digest('hex')
const idBytes = (id: string): Buffer => Buffer.from(id.replaceAll('-', ''), 'hex')
const fromHex = (text: string): Buffer => Buffer.from(text, 'hex')
const fromBase64 = (text: string): Buffer => Buffer.from(text, 'base64')

const publicPem = (key: KeyObject): string =>
  createPublicKey(key).export({ type: 'spki', format: 'pem' }).toString()

const fingerprint = (pem: string): string =>
  sha256(createPublicKey(pem).export({ type: 'spki', format: 'der' }))

/** The PKCS #8 of an Ed25519 key before its seed (RFC 8410). */
const ED25519 = '302e020100300506032b657004220420'

function signingPrivate({ signingSeed }: Device): KeyObject {
  const der = fromHex(ED25519 + signingSeed)
  return createPrivateKey({ key: der, format: 'der', type: 'pkcs8' })
}

const hkdf = (key: string, salt: Buffer, info: string): string =>
  Buffer.from(hkdfSync('sha256', fromHex(key), salt, info, 32)).toString('hex')

/** Checks hash and signature. The key must make the same signature: Ed25519 is deterministic. */
function checkSigned(t: Test, { text, hash, signature }: Signed, by: Device = alice): void {
  t.equal(sha256(text), hash, 'the hash')
  t.ok(verify(null, Buffer.from(text), by.signingKey, fromBase64(signature)), 'the signature verifies')
  t.equal(sign(null, Buffer.from(text), signingPrivate(by)).toString('base64'), signature)
}

t.test('Fingerprints are the SHA-256 of the SPKI DER, and private keys match public keys', async (t) => {
  for (const device of [alice, bob]) {
    t.equal(publicPem(signingPrivate(device)), device.signingKey)
    t.equal(fingerprint(device.signingKey), device.signingFingerprint)
    t.equal(fingerprint(device.encryptionKey), device.encryptionFingerprint)
  }
  t.equal(publicPem(createPrivateKey(bob.encryptionPrivateKey)), bob.encryptionKey)
})

t.test('The KEM key follows from its seed, and its fingerprint is the SHA-256 of its bytes', async (t) => {
  const { publicKey } = ml_kem768.keygen(fromHex(bob.kemSeed))
  t.equal(Buffer.from(publicKey).toString('base64'), bob.kemKey)
  t.equal(sha256(fromBase64(bob.kemKey)), bob.kemFingerprint)
})

t.test('Each device-add names the keys and is signed by the device', async (t) => {
  const devices = [
    ['alice', deviceAdd.alice, alice, '-'],
    ['bob', deviceAdd.bob, bob, bob.kemFingerprint]
  ] as const
  for (const [user, signed, keys, kemKey] of devices) {
    const { device, ...statement } = parseStatement(signed.text, ['device-add'])
    t.match(device, /^[0-9a-f-]{36}$/)
    t.strictSame(statement, {
      kind: 'device-add',
      user,
      sequence: 1,
      previous: '-',
      purpose: 'chat',
      signingKey: keys.signingFingerprint,
      encryptionKey: keys.encryptionFingerprint,
      kemKey,
      encryptionVersion: 1
    })
    checkSigned(t, signed, keys)
  }
})

t.test('The device-login names the server and the nonce, and is signed by the device', async (t) => {
  const { device, ...statement } = parseStatement(deviceLogin.text, ['device-login'])
  t.equal(device, parseStatement(deviceAdd.alice.text, ['device-add']).device)
  t.strictSame(statement, {
    kind: 'device-login',
    server: 'https://chat.example.org',
    user: 'alice',
    nonce: Buffer.from(Array.from({ length: 54 }, (_, at) => at)).toString('base64'),
    by: alice.signingFingerprint
  })
  checkSigned(t, deviceLogin)
})

t.test('The conversation-create names both roots', async (t) => {
  const { conversation, ...statement } = parseStatement(conversationCreate.text, ['conversation-create'])
  t.ok(message.header.includes(`\nconversation ${conversation}\n`))
  t.strictSame(statement, {
    kind: 'conversation-create',
    sequence: 1,
    previous: '-',
    conversationKind: 'direct',
    members: [
      { username: 'alice', role: 'member', root: alice.signingFingerprint },
      { username: 'bob', role: 'member', root: bob.signingFingerprint }
    ],
    by: alice.signingFingerprint
  })
  checkSigned(t, conversationCreate)
})

t.test('The statement of the session key names its commitment, the state and its roster', async (t) => {
  const { id, key, commitment, roster, rosterHash, statement } = sessionKey
  t.equal(hkdf(key, idBytes(id), 'secure-chat/v1 commitment'), commitment)
  const lines = [
    `alice ${deviceId(deviceAdd.alice)} ${alice.signingFingerprint} ${alice.encryptionFingerprint} -\n`,
    `bob ${deviceId(deviceAdd.bob)} ${bob.signingFingerprint} ${bob.encryptionFingerprint} ${bob.kemFingerprint}\n`
  ]
  t.equal(lines.join(''), roster)
  t.equal(sha256(roster), rosterHash)
  const { conversation } = parseStatement(conversationCreate.text, ['conversation-create'])
  t.strictSame(parseStatement(statement.text, ['conversation-key']), {
    kind: 'conversation-key',
    conversation,
    sequence: 2,
    previous: conversationCreate.hash,
    sessionKey: id,
    commitment,
    state: [
      { username: 'alice', sequence: 1, head: deviceAdd.alice.hash },
      { username: 'bob', sequence: 1, head: deviceAdd.bob.hash }
    ],
    roster: rosterHash,
    by: alice.signingFingerprint
  })
  checkSigned(t, statement)
})

const deviceId = ({ text }: Signed): string => /^device (.*)$/m.exec(text)![1]!

t.test('The wrap opens with both of Bob’s private keys to the session key', async (t) => {
  const bytes = fromBase64(wrap.wrappedKey)
  const [ct, rsa, sealed] = [bytes.subarray(0, 1088), bytes.subarray(1088, 1344), bytes.subarray(1344)]
  t.equal(sealed.length, 48)
  t.equal(sealed.toString('hex'), wrap.sealed)
  const { secretKey } = ml_kem768.keygen(fromHex(bob.kemSeed))
  t.equal(Buffer.from(ml_kem768.decapsulate(ct, secretKey)).toString('hex'), wrap.sharedSecret)
  const random = privateDecrypt(
    { key: bob.encryptionPrivateKey, padding: constants.RSA_PKCS1_OAEP_PADDING, oaepHash: 'sha256' },
    rsa
  )
  t.equal(random.toString('hex'), wrap.random)
  const { hash } = sessionKey.statement
  t.equal(sha256(Buffer.concat([fromHex(hash), ct, rsa])), wrap.salt)
  t.equal(hkdf(wrap.sharedSecret + wrap.random, fromHex(wrap.salt), 'secure-chat/v1 wrap'), wrap.key)
  t.equal(wrap.additionalData, `secure-chat/v1 wrap\nstatement ${hash}\ndevice ${bob.signingFingerprint}\n`)
  const decipher = createDecipheriv('aes-256-gcm', fromHex(wrap.key), Buffer.alloc(12), { authTagLength: 16 })
  decipher.setAAD(Buffer.from(wrap.additionalData)).setAuthTag(sealed.subarray(-16))
  const key = Buffer.concat([decipher.update(sealed.subarray(0, -16)), decipher.final()])
  t.equal(key.toString('hex'), sessionKey.key)
})

/**
 * As docs/protocol.md defines it: a multiple of 2^(E − S), E = floor(log2 L), S = floor(log2 E) + 1; at least
 * 256.
 */
function padmeLength(length: number): number {
  if (length <= 256) return 256
  const log2 = (value: number) => 31 - Math.clz32(value)
  const exponent = log2(length)
  const step = 2 ** (exponent - (log2(exponent) + 1))
  return Math.ceil(length / step) * step
}

t.test('Lengths are padded by Padmé', async (t) => {
  for (const [length, padded] of examples.padme) t.equal(padmeLength(length), padded, `${length}`)
  t.ok(
    padmeLength(63_488) + 16 <= 65_536 && padmeLength(63_489) + 16 > 65_536,
    'the largest message that fits'
  )
})

t.test('The message is sealed from its parts, byte for byte, and opens again', async (t) => {
  const { conversation } = parseStatement(conversationCreate.text, ['conversation-create'])
  const header = [
    'secure-chat/v1 message',
    `conversation ${conversation}`,
    `key ${sessionKey.statement.hash}`,
    `message ${message.id}`,
    `by ${alice.signingFingerprint}`,
    ''
  ].join('\n')
  t.equal(header, message.header)
  const key = hkdf(sessionKey.key, idBytes(message.id), 'secure-chat/v1 message')
  t.equal(key, message.key)

  const plaintext = Buffer.from(message.plaintext)
  t.equal(plaintext.length, message.length)
  t.equal(padmeLength(plaintext.length), message.paddedLength)
  const padded = Buffer.concat([plaintext, Buffer.alloc(message.paddedLength - plaintext.length, ' ')])
  const iv = fromBase64(message.iv)
  const cipher = createCipheriv('aes-256-gcm', fromHex(key), iv).setAAD(Buffer.from(header))
  const ciphertext = Buffer.concat([cipher.update(padded), cipher.final(), cipher.getAuthTag()])
  t.equal(ciphertext.toString('base64'), message.ciphertext)

  const digest = sha256(Buffer.concat([iv, ciphertext]))
  t.equal(digest, message.digest)
  const signed = Buffer.from(`${header}digest ${digest}\n`)
  t.equal(sign(null, signed, signingPrivate(alice)).toString('base64'), message.signature)
  t.ok(verify(null, signed, alice.signingKey, fromBase64(message.signature)))

  t.same(JSON.parse(open(header)), { ...JSON.parse(message.plaintext), n: 1, type: 'text' })
})

/** @throws {Error} if the tag does not verify for this header */
function open(header: string): string {
  const bytes = fromBase64(message.ciphertext)
  const decipher = createDecipheriv('aes-256-gcm', fromHex(message.key), fromBase64(message.iv), {
    authTagLength: 16
  })
  decipher.setAAD(Buffer.from(header)).setAuthTag(bytes.subarray(-16))
  return Buffer.concat([decipher.update(bytes.subarray(0, -16)), decipher.final()]).toString()
}

t.test('Neither the signature nor the tag verifies for another header', async (t) => {
  const lines = message.header.trimEnd().split('\n')
  for (const [at, line] of lines.entries()) {
    const last = line.at(-1) === '0' ? '1' : '0'
    const header = `${lines.with(at, line.slice(0, -1) + last).join('\n')}\n`
    const signed = Buffer.from(`${header}digest ${message.digest}\n`)
    t.notOk(verify(null, signed, alice.signingKey, fromBase64(message.signature)), line)
    t.throws(() => open(header), line)
  }
})

t.test('The reaction names the id and the digest of the message that it is about', async (t) => {
  const { ref, n } = JSON.parse(reaction.plaintext) as { ref: object; n: number }
  t.strictSame([ref, n], [{ id: message.id, digest: message.digest }, 1])
})
