import t from 'tap'
import { decodeBase64, encodeBase64, encodeHex } from '../../src/crypto/encoding.js'
import {
  decapsulate,
  decodeKemKey,
  encapsulate,
  generateKemKeys,
  kemFingerprint,
  kemKeys
} from '../../src/crypto/kem.js'
import { nativeKem } from '../../src/crypto/kem-native.js'
import { nobleKem } from '../../src/crypto/kem-noble.js'
import { isKemPublicKey } from '../../src/protocol/kem.js'
import { refusal } from '../support/refusal.js'
import { vectors } from '../support/vectors.js'

const { keys } = vectors<{ keys: { bob: Record<'kemSeed' | 'kemKey' | 'kemFingerprint', string> } }>(
  'examples'
)

t.test('A key pair is its seed: it comes back from 64 bytes', async (t) => {
  const pair = await generateKemKeys()
  t.equal(pair.seed.length, 64)
  t.strictSame(await kemKeys(pair.seed), pair)
  t.not((await generateKemKeys()).fingerprint, pair.fingerprint)
  const { kemSeed, kemKey, kemFingerprint: expected } = keys.bob
  const example = await kemKeys(Buffer.from(kemSeed, 'hex'))
  t.equal(example.publicKey, kemKey)
  t.equal(example.fingerprint, expected)
  t.equal(await kemFingerprint(decodeKemKey(kemKey)), expected)
  for (const length of [0, 32, 63, 65, 2400])
    t.equal(await refusal(kemKeys(new Uint8Array(length))), 'bad-key', `${length} bytes`)
})

t.test('A public key has 1,184 bytes and reduced coefficients', async (t) => {
  const key = decodeBase64(keys.bob.kemKey)
  const refused = async (bytes: Uint8Array) => {
    t.notOk(isKemPublicKey(bytes))
    t.equal(await refusal(encapsulate(bytes)), 'bad-key')
    return refusal((async () => decodeKemKey(encodeBase64(bytes)))())
  }
  for (const bytes of [new Uint8Array(), key.subarray(1), Uint8Array.from([...key, 0])])
    t.equal(await refused(bytes), 'bad-key', `${bytes.length} bytes`)
  t.equal(await refusal((async () => decodeKemKey(`${keys.bob.kemKey}\n`))()), 'bad-encoding')
  /** The key with another coefficient. */
  const withCoefficient = (index: number, value: number) => {
    const copy = key.slice()
    const at = Math.floor(index / 2) * 3
    if (index % 2 === 0) {
      copy[at] = value & 0xff
      copy[at + 1] = (copy[at + 1]! & 0xf0) | (value >> 8)
    } else {
      copy[at + 1] = (copy[at + 1]! & 0x0f) | ((value & 0xf) << 4)
      copy[at + 2] = value >> 4
    }
    return copy
  }
  for (const index of [0, 1, 2, 255, 256, 511, 766, 767]) {
    t.ok(isKemPublicKey(withCoefficient(index, 3328)), `coefficient ${index}`)
    for (const value of [3329, 4095]) t.equal(await refused(withCoefficient(index, value)), 'bad-key')
  }
  const otherSeed = key.slice().fill(0xff, 1152)
  t.ok(isKemPublicKey(otherSeed), 'the last 32 bytes may be any')
})

t.test('Only the owner’s seed gives the shared secret; all else gives another', async (t) => {
  const [pair, other] = [await generateKemKeys(), await generateKemKeys()]
  const { ciphertext, sharedSecret } = await encapsulate(decodeKemKey(pair.publicKey))
  t.equal(ciphertext.length, 1088)
  t.equal(sharedSecret.length, 32)
  t.strictSame(await decapsulate(pair.seed, ciphertext), sharedSecret)
  t.notSame(await decapsulate(other.seed, ciphertext), sharedSecret)
  const altered = ciphertext.map((byte, at) => (at === 1087 ? byte ^ 1 : byte))
  const rejected = await decapsulate(pair.seed, altered)
  t.notSame(rejected, sharedSecret)
  t.strictSame(await decapsulate(pair.seed, altered), rejected, 'always the same one')
  for (const length of [0, 1087, 1089])
    t.equal(await refusal(decapsulate(pair.seed, new Uint8Array(length))), 'bad-wrap', `${length} bytes`)
  t.equal(await refusal(decapsulate(pair.seed.subarray(1), ciphertext)), 'bad-key')
})

const native = await nativeKem()
const skip = native === undefined && `Node.js ${process.versions.node} has no ML-KEM`

t.test('The platform’s ML-KEM and noble’s open each other’s ciphertexts', { skip }, async (t) => {
  const { seed, publicKey } = await generateKemKeys()
  for (const [one, two] of [
    [native!, nobleKem],
    [nobleKem, native!]
  ] as const) {
    const { ciphertext, sharedSecret } = await one.encapsulate(decodeBase64(publicKey))
    t.equal(encodeHex(await two.decapsulate(seed, ciphertext)), encodeHex(sharedSecret))
  }
})
