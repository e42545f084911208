import t from 'tap'
import { decodeBase64, encodeHex } from '../../src/crypto/encoding.js'
import {
  generateEncryptionKeys,
  importEncryptionKey,
  importPrivateEncryptionKey,
  importSigningKey
} from '../../src/crypto/keys.js'
import {
  generateSessionKey,
  importSessionKey,
  type RosterLine,
  rosterHash,
  sessionKeyCommitment,
  unwrapSessionKey,
  verifySessionKey,
  wrapSessionKey
} from '../../src/crypto/session-keys.js'
import type { CryptoKey } from '../../src/crypto/web-crypto.js'
import type { SignedStatement } from '../../src/protocol/schema.js'
import { refusal } from '../support/refusal.js'
import { vectors } from '../support/vectors.js'

interface Case {
  title: string
  conversationId: string
  id: string
  roster: RosterLine[]
  statement: SignedStatement
  wrappedKey: string
  key?: string
  attack?: string
  refused?: string
}

const { keys, privateEncryptionKey, cases } = vectors<{
  keys: Record<string, string>
  privateEncryptionKey: string
  cases: Case[]
}>('session-keys')

t.test('A session key is accepted only if it agrees with its statement and the chains', async (t) => {
  const signingKeys = new Map<string, CryptoKey>()
  for (const [fingerprint, pem] of Object.entries(keys))
    signingKeys.set(fingerprint, await importSigningKey(pem))
  const privateKey = await importPrivateEncryptionKey(privateEncryptionKey, { extractable: false })
  const receive = async ({ conversationId, id, roster, statement, wrappedKey }: Case) => {
    const verified = await verifySessionKey(statement, { conversationId, id, roster, signingKeys })
    return unwrapSessionKey(privateKey, wrappedKey, { id, commitment: verified.commitment })
  }
  for (const one of cases)
    if (one.refused === undefined) t.equal(encodeHex((await receive(one)).bytes), one.key, one.title)
    else t.equal(await refusal(receive(one)), one.refused, `${one.attack}: ${one.title}`)
  for (const attack of [
    'forged-session-key',
    'ghost-device',
    'ghost-member',
    'swapped-key',
    'downgraded-key'
  ])
    t.ok(
      cases.some((one) => one.attack === attack),
      attack
    )
})

t.test('A session key whose maker is unknown is refused', async (t) => {
  const { conversationId, id, roster, statement } = cases[0]!
  const expected = { conversationId, id, roster, signingKeys: new Map<string, CryptoKey>() }
  t.equal(await refusal(verifySessionKey(statement, expected)), 'bad-signature')
})

t.test('Only the device that a key is wrapped for can unwrap it', async (t) => {
  const [device, other] = await Promise.all([
    generateEncryptionKeys({ bits: 2048, extractable: false }),
    generateEncryptionKeys({ bits: 2048, extractable: false })
  ])
  const key = await generateSessionKey()
  const expected = { id: key.id, commitment: await sessionKeyCommitment(key) }
  const wrapped = await wrapSessionKey(await importEncryptionKey(device.publicKey), key)
  t.equal(decodeBase64(wrapped).length, 256)
  t.strictSame((await unwrapSessionKey(device.privateKey, wrapped, expected)).bytes, key.bytes)
  t.equal(await refusal(unwrapSessionKey(other.privateKey, wrapped, expected)), 'bad-wrap')
  const again = await wrapSessionKey(await importEncryptionKey(device.publicKey), key)
  t.not(again, wrapped, 'wrapping is random')
})

t.test('A session key has 32 bytes, a UUID and a commitment to both', async (t) => {
  const one = await generateSessionKey()
  const two = await generateSessionKey()
  t.notSame(one.bytes, two.bytes)
  t.not(one.id, two.id)
  const renamed = await importSessionKey(two.id, one.bytes)
  t.equal(
    new Set([
      await sessionKeyCommitment(one),
      await sessionKeyCommitment(two),
      await sessionKeyCommitment(renamed)
    ]).size,
    3
  )
  t.equal(await refusal(importSessionKey(one.id, one.bytes.subarray(1))), 'bad-key')
  t.equal(await refusal(importSessionKey(one.id.toUpperCase(), one.bytes)), 'bad-encoding')
})

t.test('A roster’s hash does not depend on the order of its devices', async (t) => {
  const { roster } = cases[0]!
  t.equal(await rosterHash(roster), await rosterHash([...roster].reverse()))
  t.not(await rosterHash(roster), await rosterHash(roster.slice(1)))
})
