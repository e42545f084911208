import t from 'tap'
import { decodeBase64, decodeHex, encodeHex } from '../../src/crypto/encoding.js'
import { decodeKemKey, generateKemKeys } from '../../src/crypto/kem.js'
import {
  generateEncryptionKeys,
  importEncryptionKey,
  importPrivateEncryptionKey
} from '../../src/crypto/keys.js'
import { generateSessionKey, sessionKeyCommitment } from '../../src/crypto/session-keys.js'
import {
  unwrapSessionKey,
  wrapHash,
  wrapSessionKey,
  wrapSessionKeyForAll,
  type WrappedKeyStatement
} from '../../src/crypto/wraps.js'
import { wrapBytes } from '../../src/protocol/kem.js'
import { quietestBlock } from '../support/longest-block.js'
import { refusal } from '../support/refusal.js'
import { vectors } from '../support/vectors.js'

interface Case {
  title: string
  hasKemKey: boolean
  statement: WrappedKeyStatement
  wrappedKey: string
  hash?: string
  key?: string
  attack?: string
  refused?: string
}

const { device, privateEncryptionKey, kemSeed, cases } = vectors<{
  device: string
  privateEncryptionKey: string
  kemSeed: string
  cases: Case[]
}>('wraps')

t.test(
  'A wrap opens only for its device and statement, and only in the form of the signed line',
  async (t) => {
    const encryptionKey = await importPrivateEncryptionKey(privateEncryptionKey, { extractable: false })
    const seed = decodeHex(kemSeed)
    const unwrap = ({ hasKemKey, statement, wrappedKey }: Case) =>
      unwrapSessionKey(
        wrappedKey,
        { signingKey: device, encryptionKey, kemSeed: hasKemKey ? seed : undefined },
        statement
      )
    for (const one of cases)
      if (one.refused === undefined) {
        t.equal(encodeHex((await unwrap(one)).bytes), one.key, one.title)
        t.equal(await wrapHash(one.wrappedKey), one.hash)
      } else t.equal(await refusal(unwrap(one)), one.refused, `${one.attack}: ${one.title}`)
    for (const attack of ['downgraded-wrap', 'moved-wrap', 'altered-wrap', 'swapped-key'])
      t.ok(
        cases.some((one) => one.attack === attack),
        attack
      )
  }
)

const S = '5'.repeat(64)

/** A device with new keys: as others see it, and as it sees itself. */
async function newDevice({
  bits = 2048,
  hasKemKey = true
}: { bits?: 2048 | 3072; hasKemKey?: boolean } = {}) {
  const signingKey = encodeHex(crypto.getRandomValues(new Uint8Array(32)))
  const encryption = await generateEncryptionKeys({ bits, extractable: false })
  const kem = await generateKemKeys()
  return {
    recipient: {
      signingKey,
      encryptionKey: await importEncryptionKey(encryption.publicKey),
      kemKey: hasKemKey ? decodeKemKey(kem.publicKey) : undefined
    },
    keys: { signingKey, encryptionKey: encryption.privateKey, kemSeed: hasKemKey ? kem.seed : undefined }
  }
}

t.test('Only the device that a key is wrapped for can unwrap it, with all of its keys', async (t) => {
  const [one, other] = [await newDevice({ bits: 3072 }), await newDevice({ bits: 3072 })]
  const key = await generateSessionKey()
  const statement = { hash: S, sessionKey: key.id, commitment: await sessionKeyCommitment(key) }
  const wrapped = await wrapSessionKey(key, one.recipient, S)
  t.equal(decodeBase64(wrapped).length, 1088 + 384 + 48)
  t.equal(wrapBytes(3072, true), 1088 + 384 + 48)
  t.strictSame((await unwrapSessionKey(wrapped, one.keys, statement)).bytes, key.bytes)
  t.not(await wrapSessionKey(key, one.recipient, S), wrapped, 'wrapping is random')
  for (const part of ['signingKey', 'encryptionKey', 'kemSeed'] as const) {
    const keys = { ...one.keys, [part]: other.keys[part] }
    t.equal(await refusal(unwrapSessionKey(wrapped, keys, statement)), 'bad-wrap', part)
  }
  const elsewhere = { ...statement, hash: '6'.repeat(64) }
  t.equal(await refusal(unwrapSessionKey(wrapped, one.keys, elsewhere)), 'bad-wrap')
})

t.test('A device without a KEM key gets RSA-OAEP only, and no device takes the other form', async (t) => {
  const [plain, hybrid] = [await newDevice({ hasKemKey: false }), await newDevice()]
  const key = await generateSessionKey()
  const statement = { hash: S, sessionKey: key.id, commitment: await sessionKeyCommitment(key) }
  const wrapped = await wrapSessionKey(key, plain.recipient, S)
  t.equal(decodeBase64(wrapped).length, 256)
  t.strictSame((await unwrapSessionKey(wrapped, plain.keys, statement)).bytes, key.bytes)
  const downgraded = await wrapSessionKey(key, { ...hybrid.recipient, kemKey: undefined }, S)
  t.equal(await refusal(unwrapSessionKey(downgraded, hybrid.keys, statement)), 'bad-wrap')
  const upgraded = await wrapSessionKey(key, { ...plain.recipient, kemKey: hybrid.recipient.kemKey }, S)
  t.equal(await refusal(unwrapSessionKey(upgraded, plain.keys, statement)), 'bad-wrap')
})

t.test('Malformed hashes, fingerprints and KEM keys are refused', async (t) => {
  const { recipient } = await newDevice()
  const key = await generateSessionKey()
  for (const hash of ['', S.slice(1), S.replace('5', 'A'), `${S}\n`])
    t.equal(await refusal(wrapSessionKey(key, recipient, hash)), 'bad-encoding', JSON.stringify(hash))
  const lines = { ...recipient, signingKey: `${S}\nstatement ${S}` }
  t.equal(await refusal(wrapSessionKey(key, lines, S)), 'bad-encoding')
  const notReduced = recipient.kemKey!.slice().fill(0xff, 0, 3)
  t.equal(await refusal(wrapSessionKey(key, { ...recipient, kemKey: notReduced }, S)), 'bad-key')
})

t.test('Other work runs while a key is wrapped for 1,000 devices', async (t) => {
  const [hybrid, plain] = [await newDevice({ bits: 3072 }), await newDevice({ hasKemKey: false })]
  const key = await generateSessionKey()
  const statement = { hash: S, sessionKey: key.id, commitment: await sessionKeyCommitment(key) }
  const recipients = Array.from({ length: 1000 }, (_, at) => (at === 7 ? plain : hybrid).recipient)
  const wrapAll = () => wrapSessionKeyForAll(key, recipients, S)
  const { result, longest, total } = await quietestBlock(wrapAll)
  t.equal(new Set(result).size, 1000)
  t.strictSame((await unwrapSessionKey(result[7]!, plain.keys, statement)).bytes, key.bytes)
  t.strictSame((await unwrapSessionKey(result[999]!, hybrid.keys, statement)).bytes, key.bytes)
  t.ok(longest < 50, `other work waits ${Math.round(longest)} ms of ${Math.round(total)} ms`)
})
