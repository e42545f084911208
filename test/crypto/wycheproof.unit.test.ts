import t from 'tap'
import { decrypt, encrypt, importAesKey, IV_BYTES } from '../../src/crypto/aes-gcm.js'
import { concat, decodeHex, encodeBase64, encodeHex } from '../../src/crypto/encoding.js'
import { hkdf, importHkdfKey } from '../../src/crypto/hash.js'
import { decapsulate, decodeKemKey, encapsulate, kemKeys } from '../../src/crypto/kem.js'
import { nativeKem } from '../../src/crypto/kem-native.js'
import { nobleKem } from '../../src/crypto/kem-noble.js'
import { importPrivateEncryptionKey, importSigningKey, verify } from '../../src/crypto/keys.js'
import { encodePem } from '../../src/crypto/pem.js'
import { oaepDecrypt } from '../../src/crypto/rsa-oaep.js'
import { refusal } from '../support/refusal.js'
import { wycheproof } from '../support/vectors.js'

interface Group<Test> {
  tests: (Test & { tcId: number; comment: string; result: 'valid' | 'invalid' })[]
}

t.test('Ed25519 signatures verify exactly as RFC 8032 says', async (t) => {
  type Signed = Group<{ msg: string; sig: string }> & { publicKey: { pk: string } }
  const wrong: string[] = []
  let count = 0
  for (const { publicKey, tests } of wycheproof<Signed>('ed25519_test')) {
    const key = await importSigningKey(encodePem(decodeHex(`302a300506032b6570032100${publicKey.pk}`)))
    for (const { tcId, comment, msg, sig, result } of tests) {
      count++
      const verifies = await verify(key, decodeHex(msg), encodeBase64(decodeHex(sig)))
      if (verifies !== (result === 'valid')) wrong.push(`${tcId}: ${comment}`)
    }
  }
  t.strictSame(wrong, [])
  t.ok(count > 100, `${count}`)
})

t.test('AES-256-GCM decrypts only unaltered ciphertext, and only with IVs of 12 bytes', async (t) => {
  type Sealed = Group<Record<'key' | 'iv' | 'aad' | 'msg' | 'ct' | 'tag', string>>
  const counts = { valid: 0, invalid: 0, 'other IV': 0 }
  for (const { tests } of wycheproof<Sealed>('aes_gcm_test'))
    for (const test of tests) {
      const key = await importAesKey(decodeHex(test.key))
      const iv = decodeHex(test.iv)
      const aad = decodeHex(test.aad)
      const sealed = concat(decodeHex(test.ct), decodeHex(test.tag))
      const name = `${test.tcId} ${test.comment}`
      if (iv.length !== IV_BYTES) {
        counts['other IV']++
        t.equal(await refusal(decrypt(key, iv, sealed, aad)), 'bad-encoding', name)
        t.equal(await refusal(encrypt(key, iv, decodeHex(test.msg), aad)), 'bad-encoding', name)
      } else if (test.result === 'valid') {
        counts.valid++
        t.equal(encodeHex(await decrypt(key, iv, sealed, aad)), test.msg, name)
        t.equal(encodeHex(await encrypt(key, iv, decodeHex(test.msg), aad)), test.ct + test.tag, name)
      } else {
        counts.invalid++
        t.equal(await refusal(decrypt(key, iv, sealed, aad)), 'bad-tag', name)
      }
    }
  t.strictSame(counts, { valid: 39, invalid: 27, 'other IV': 39 })
  for (const length of [0, 16, 24, 33])
    t.equal(await refusal(importAesKey(new Uint8Array(length))), 'bad-key', `a key of ${length} bytes`)
})

t.test('HKDF-SHA-256 derives the bytes of RFC 5869, and no more than it allows', async (t) => {
  type Derived = Group<{ ikm: string; salt: string; info: string; size: number; okm: string }>
  let invalid = 0
  for (const { tests } of wycheproof<Derived>('hkdf_sha256_test'))
    for (const { tcId, comment, ikm, salt, info, size, okm, result } of tests) {
      const derived = hkdf(await importHkdfKey(decodeHex(ikm)), decodeHex(salt), decodeHex(info), size)
      if (result === 'valid') t.equal(encodeHex(await derived), okm, `${tcId} ${comment}`)
      else await t.rejects(derived, `${++invalid}: ${tcId} ${comment}`)
    }
  t.equal(invalid, 3)
})

t.test('ML-KEM-768 gives the shared secrets of FIPS 203, on noble and on the platform', async (t) => {
  type Decapsulated = Group<Record<'seed' | 'ek' | 'c' | 'K', string>>
  const native = await nativeKem()
  let count = 0
  for (const { tests } of wycheproof<Decapsulated>('mlkem_768_test'))
    for (const { tcId, comment, seed, ek, c, K } of tests) {
      count++
      const name = `${tcId} ${comment}`
      t.equal((await kemKeys(decodeHex(seed))).publicKey, encodeBase64(decodeHex(ek)), name)
      t.equal(encodeHex(await decapsulate(decodeHex(seed), decodeHex(c))), K, name)
      for (const kem of [nobleKem, ...(native === undefined ? [] : [native])])
        t.equal(encodeHex(await kem.decapsulate(decodeHex(seed), decodeHex(c))), K, name)
    }
  t.equal(count, 33)
})

t.test('ML-KEM-768 refuses public keys whose coefficients are not reduced', async (t) => {
  let count = 0
  for (const { tests } of wycheproof<Group<{ ek: string }>>('mlkem_768_encaps_test'))
    for (const { tcId, ek } of tests) {
      count++
      const key = decodeHex(ek)
      t.equal(await refusal(encapsulate(key)), 'bad-key', `${tcId}`)
      t.equal(await refusal((async () => decodeKemKey(encodeBase64(key)))()), 'bad-key', `${tcId}`)
    }
  t.equal(count, 12)
})

t.test('RSA-OAEP decrypts valid ciphertext and refuses all forgeries alike', async (t) => {
  type Wrapped = Group<{ ct: string; msg: string }> & { privateKeyPkcs8: string }
  const counts = { valid: 0, invalid: 0 }
  for (const { privateKeyPkcs8, tests } of wycheproof<Wrapped>('rsa_oaep_2048_sha256_mgf1sha256_test')) {
    const key = await importPrivateEncryptionKey(encodeBase64(decodeHex(privateKeyPkcs8)), {
      extractable: false
    })
    for (const { tcId, comment, ct, msg, result } of tests) {
      counts[result]++
      const name = `${tcId} ${comment}`
      if (result === 'valid') t.equal(encodeHex(await oaepDecrypt(key, decodeHex(ct))), msg, name)
      else t.equal(await refusal(oaepDecrypt(key, decodeHex(ct))), 'bad-wrap', name)
    }
  }
  t.strictSame(counts, { valid: 10, invalid: 19 })
})
