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
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import t, { type Test } from 'tap'
import { parseStatement } from '../../src/protocol/statements.js'

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
  keys: { alice: Device; bob: Device & { encryptionPrivateKey: string } }
  deviceAdd: Signed
  conversationCreate: Signed
  sessionKey: {
    id: string
    key: string
    commitment: string
    roster: string
    rosterHash: string
    wrappedKey: string
    statement: Signed
  }
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
}

/** The root of the repository, from `build/test/protocol`. */
const root = join(import.meta.dirname, '../../..')
const examples = JSON.parse(readFileSync(join(root, 'test/vectors/examples.json'), 'utf8')) as Examples
const { keys, deviceAdd, conversationCreate, sessionKey, message } = examples
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

const hkdf = (key: string, id: string, info: string): string =>
  Buffer.from(hkdfSync('sha256', fromHex(key), idBytes(id), info, 32)).toString('hex')

/** Checks hash and signature. Alice's key must make the same signature: Ed25519 is deterministic. */
function checkSigned(t: Test, { text, hash, signature }: Signed): void {
  t.equal(sha256(text), hash, 'the hash')
  t.ok(verify(null, Buffer.from(text), alice.signingKey, fromBase64(signature)), 'the signature verifies')
  t.equal(sign(null, Buffer.from(text), signingPrivate(alice)).toString('base64'), signature)
}

t.test('Fingerprints are the SHA-256 of the SPKI DER, and private keys match public keys', async (t) => {
  for (const device of [alice, bob]) {
    t.equal(publicPem(signingPrivate(device)), device.signingKey)
    t.equal(fingerprint(device.signingKey), device.signingFingerprint)
    t.equal(fingerprint(device.encryptionKey), device.encryptionFingerprint)
  }
  t.equal(publicPem(createPrivateKey(bob.encryptionPrivateKey)), bob.encryptionKey)
})

t.test('The device-add names the keys and is signed by the device', async (t) => {
  const { device, ...statement } = parseStatement(deviceAdd.text, ['device-add'])
  t.match(device, /^[0-9a-f-]{36}$/)
  t.strictSame(statement, {
    kind: 'device-add',
    user: 'alice',
    sequence: 1,
    previous: '-',
    signingKey: alice.signingFingerprint,
    encryptionKey: alice.encryptionFingerprint,
    encryptionVersion: 1
  })
  checkSigned(t, deviceAdd)
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

t.test('The statement of the session key names its commitment and its roster', async (t) => {
  const { id, key, commitment, roster, rosterHash, statement } = sessionKey
  t.equal(hkdf(key, id, 'secure-chat/v1 commitment'), commitment)
  const lines = [alice, bob].map((one) => `${one.signingFingerprint} ${one.encryptionFingerprint}\n`)
  t.equal(lines.sort().join(''), roster)
  t.equal(sha256(roster), rosterHash)
  const { conversation } = parseStatement(conversationCreate.text, ['conversation-create'])
  t.strictSame(parseStatement(statement.text, ['session-key']), {
    kind: 'session-key',
    conversation,
    sessionKey: id,
    head: conversationCreate.hash,
    commitment,
    roster: rosterHash,
    by: alice.signingFingerprint
  })
  checkSigned(t, statement)
})

t.test('The wrap decrypts to the session key with RSA-OAEP-256', async (t) => {
  const unwrapped = privateDecrypt(
    { key: bob.encryptionPrivateKey, padding: constants.RSA_PKCS1_OAEP_PADDING, oaepHash: 'sha256' },
    fromBase64(sessionKey.wrappedKey)
  )
  t.equal(unwrapped.toString('hex'), sessionKey.key)
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
    `session-key ${sessionKey.id}`,
    `message ${message.id}`,
    `by ${alice.signingFingerprint}`,
    ''
  ].join('\n')
  t.equal(header, message.header)
  const key = hkdf(sessionKey.key, message.id, 'secure-chat/v1 message')
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

/** All strings and numbers in a value, as strings. */
function leaves(value: unknown): string[] {
  if (typeof value === 'object' && value !== null) return Object.values(value).flatMap(leaves)
  return [String(value)]
}

t.test('docs/protocol.md shows every value of the examples, and no other hash or key', async (t) => {
  const page = readFileSync(join(root, 'docs/protocol.md'), 'utf8')
  const section = page.slice(page.indexOf('\n## Worked examples'))
  // The page breaks long values into lines.
  const squeeze = (text: string) => text.replaceAll(/\s/g, '')
  const shown = squeeze(section)
  const { padme, ...rest } = examples
  for (const value of leaves(rest)) t.ok(shown.includes(squeeze(value)), value)
  for (const [length, padded] of padme) t.ok(page.includes(`\n| ${length} | ${padded} |\n`), `${length}`)
  const known = leaves(examples).join(' ')
  for (const [hex] of section.matchAll(/\b[0-9a-f]{32,}\b/g))
    t.ok(known.includes(hex) || hex === ED25519, hex)
})
