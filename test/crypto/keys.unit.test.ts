import { createPublicKey, generateKeyPairSync } from 'node:crypto'
import t from 'tap'
import { decodeHex, encodeBase64 } from '../../src/crypto/encoding.js'
import {
  exportPrivateKey,
  fingerprint,
  generateEncryptionKeys,
  generateSigningKeys,
  importEncryptionKey,
  importPrivateEncryptionKey,
  importPrivateSigningKey,
  importSigningKey,
  sign,
  verify
} from '../../src/crypto/keys.js'
import { encodePem } from '../../src/crypto/pem.js'
import { isAcceptablePoint, isAcceptableSignature } from '../../src/protocol/ed25519.js'
import { isValidSignature, readEncryptionKey, readSigningKey } from '../../src/server/chains/public-keys.js'
import { refusal } from '../support/refusal.js'
import { vectors } from '../support/vectors.js'

const { keys } = vectors<{ keys: Record<'alice' | 'bob', Record<string, string>> }>('examples')
const rsa = (modulusLength: number, publicExponent = 65_537): string =>
  generateKeyPairSync('rsa', { modulusLength, publicExponent })
    .publicKey.export({ type: 'spki', format: 'pem' })
    .toString()
const SPKI = '302a300506032b6570032100'
const edKey = (point: string): string => encodePem(decodeHex(SPKI + point))

t.test('The server accepts new keys and computes the same fingerprints', async (t) => {
  const signing = await generateSigningKeys({ extractable: false })
  const encryption = await generateEncryptionKeys({ extractable: false })
  t.equal(readSigningKey(signing.publicKey).fingerprint, signing.fingerprint)
  t.equal(readEncryptionKey(encryption.publicKey, 3072).fingerprint, encryption.fingerprint)
  t.equal(
    createPublicKey(encryption.publicKey).asymmetricKeyDetails?.modulusLength,
    3072,
    '3072 bits by default'
  )
  for (const { signingKey, signingFingerprint, encryptionKey, encryptionFingerprint } of Object.values(
    keys
  )) {
    t.equal(await fingerprint(signingKey!), signingFingerprint)
    t.equal(await fingerprint(encryptionKey!), encryptionFingerprint)
  }
})

t.test('Only an extractable private key can be exported, and it works after the import', async (t) => {
  const locked = await generateSigningKeys({ extractable: false })
  await t.rejects(exportPrivateKey(locked.privateKey))
  const signing = await generateSigningKeys({ extractable: true })
  const imported = await importPrivateSigningKey(await exportPrivateKey(signing.privateKey), {
    extractable: false
  })
  await t.rejects(exportPrivateKey(imported))
  const signature = await sign(imported, 'words')
  t.ok(await verify(await importSigningKey(signing.publicKey), 'words', signature))

  const encryption = await generateEncryptionKeys({ bits: 2048, extractable: true })
  const pkcs8 = await exportPrivateKey(encryption.privateKey)
  t.ok(await importPrivateEncryptionKey(pkcs8, { extractable: true }))
  t.equal(await refusal(importPrivateSigningKey(pkcs8, { extractable: true })), 'bad-key')
  t.equal(await refusal(importPrivateEncryptionKey('AAAA', { extractable: true })), 'bad-key')
  t.equal(await refusal(importPrivateSigningKey('%', { extractable: true })), 'bad-encoding')
})

t.test('A public key is one canonical SPKI PEM', async (t) => {
  const { signingKey: pem } = keys.alice as { signingKey: string }
  const bad = [
    '',
    pem.trimEnd(),
    `${pem}\n`,
    ` ${pem}`,
    pem + pem,
    pem.replaceAll('\n', '\r\n'),
    pem.replace('MCow', 'MCow\n'),
    pem.replaceAll('PUBLIC', 'PRIVATE'),
    pem.replace(/\n.*\n/, '\n\n'),
    keys.bob.encryptionPrivateKey!
  ]
  for (const text of bad) {
    t.equal(await refusal(importSigningKey(text)), 'bad-key', JSON.stringify(text.slice(0, 60)))
    t.equal(await refusal(importEncryptionKey(text)), 'bad-key')
    t.equal(await refusal(fingerprint(text)), 'bad-key')
  }
})

t.test('A signing key is an Ed25519 key, but not of small order', async (t) => {
  t.ok(await importSigningKey(keys.alice.signingKey!))
  t.equal(await refusal(importSigningKey(keys.alice.encryptionKey!)), 'bad-key')
  for (const type of ['ed448', 'x25519'] as const) {
    const { publicKey } = generateKeyPairSync(type as 'x25519')
    const pem = publicKey.export({ type: 'spki', format: 'pem' }).toString()
    t.equal(await refusal(importSigningKey(pem)), 'bad-key', type)
  }
  const y = '26e8958fc2b227b045c3f489f2ef98f0d5dfac05d3c63339b13802886d53fc'
  const small = [
    '00'.repeat(32),
    `01${'00'.repeat(31)}`,
    `${y}05`,
    `${y}85`,
    `ec${'ff'.repeat(31)}`,
    `ee${'ff'.repeat(30)}7f`
  ]
  for (const point of small) t.equal(await refusal(importSigningKey(edKey(point))), 'bad-key', point)
})

t.test('Every y of a signing key is written in one way', async (t) => {
  // p to p + 18, and each with the sign of x
  for (let low = 0xed; low <= 0xff; low++)
    for (const high of ['7f', 'ff']) {
      const pem = edKey(`${low.toString(16)}${'ff'.repeat(30)}${high}`)
      t.equal(await refusal(importSigningKey(pem)), 'bad-key', `${low} ${high}`)
      t.throws(() => readSigningKey(pem), { code: 'invalid-key' }, 'the server refuses it too')
    }
  t.ok(isAcceptablePoint(decodeHex(`eb${'ff'.repeat(30)}7f`)), 'p - 2')
})

t.test('Every S of a signature is written in one way', async (t) => {
  const order = 'edd3f55c1a631258d69cf7a2def9de1400000000000000000000000000000010'
  const withS = (s: string) => isAcceptableSignature(decodeHex('58'.padEnd(64, '6') + s))
  t.notOk(withS(order))
  t.ok(withS(order.replace('ed', 'ec')), 'L - 1')
  t.notOk(withS(order.replace('10', '20')))
  t.notOk(withS('ff'.repeat(32)))
  t.ok(withS('00'.repeat(32)))
  for (const length of [0, 63, 65]) t.notOk(isAcceptableSignature(new Uint8Array(length).fill(2)))
})

t.test('The cases of ed25519-speccheck have the same answers everywhere', async (t) => {
  const { cases } = vectors<{
    cases: (Record<'title' | 'message' | 'publicKey' | 'signature', string> &
      Record<'valid' | 'keyRefused', boolean>)[]
  }>('ed25519-speccheck')
  t.equal(cases.length, 12)
  for (const { title, message, publicKey, signature, valid, keyRefused } of cases) {
    const pem = edKey(publicKey)
    if (keyRefused) {
      t.equal(await refusal(importSigningKey(pem)), 'bad-key', title)
      t.throws(() => readSigningKey(pem), { code: 'invalid-key' }, title)
      continue
    }
    const bytes = decodeHex(signature)
    t.equal(await verify(await importSigningKey(pem), decodeHex(message), encodeBase64(bytes)), valid, title)
    t.equal(isValidSignature(readSigningKey(pem).key, decodeHex(message), bytes), valid, title)
  }
})

t.test('An encryption key is an RSA key of 2048, 3072 or 4096 bits with the exponent 65537', async (t) => {
  for (const bits of [2048, 3072]) t.ok(await importEncryptionKey(rsa(bits)))
  for (const bits of [1024, 2304])
    t.equal(await refusal(importEncryptionKey(rsa(bits))), 'bad-key', `${bits}`)
  t.equal(await refusal(importEncryptionKey(rsa(2048, 3))), 'bad-key', 'e = 3')
  t.equal(await refusal(importEncryptionKey(keys.alice.signingKey!)), 'bad-key')
})

t.test('A signature verifies for one key and one text only', async (t) => {
  const one = await generateSigningKeys({ extractable: false })
  const two = await generateSigningKeys({ extractable: false })
  const key = await importSigningKey(one.publicKey)
  const signature = await sign(one.privateKey, 'words ✓')
  t.ok(await verify(key, 'words ✓', signature))
  t.ok(await verify(key, Buffer.from('words ✓'), signature), 'a text is its UTF-8')
  t.notOk(await verify(key, 'words', signature))
  t.notOk(await verify(await importSigningKey(two.publicKey), 'words ✓', signature))
  for (const text of ['', 'AAAA', `${signature}\n`, signature.replace('==', '')])
    t.notOk(await verify(key, 'words ✓', text), JSON.stringify(text))
  const identity = Buffer.concat([Uint8Array.of(1), new Uint8Array(63)]).toString('base64')
  t.notOk(await verify(key, 'words ✓', identity), 'R of small order')
})
