import { ml_kem768 } from '@noble/post-quantum/ml-kem.js'
import { createHash } from 'node:crypto'
import { encodeHex } from '../../../src/crypto/encoding.js'
import { bob, bobsKem, bobsKey, counting, examples, mallory } from './actors.js'
import { key as hash, otherKey, otherSessionKey, sessionKey } from './example-key.js'
import { hybridForBob, oaepForBob } from './wrap-for-bob.js'

const { bytes } = sessionKey
const CT = 1088
const RSA = 256

const statement = { hash, sessionKey: sessionKey.id, commitment: examples.sessionKey.commitment }

const flip = (wrap: Uint8Array, at: number): Buffer => {
  const copy = Buffer.from(wrap)
  copy[at]! ^= 1
  return copy
}

export async function wrapVectors() {
  const hybrid = hybridForBob(bytes)
  const plain = oaepForBob(bytes)
  const accepted: [title: string, hasKemKey: boolean, wrap: Buffer][] = [
    ['a hybrid wrap', true, hybrid],
    [
      'a hybrid wrap of the same key with other randomness',
      true,
      hybridForBob(bytes, { random: counting(1)(32) })
    ],
    ['a wrap for a device without a KEM key', false, plain]
  ]
  return {
    about: [
      'A wrap as Bob’s device is given it. hasKemKey: whether its signed line names a KEM key. statement: what the verified',
      'conversation-key statement says. hash: of the bytes of the wrap. key: what must come out. refused: the code with',
      'which it must be refused. The form follows from hasKemKey, never from the length.'
    ],
    device: bob.fingerprint,
    privateEncryptionKey: bobsKey,
    kemSeed: bobsKem.seed,
    cases: [
      ...accepted.map(([title, hasKemKey, wrap]) => ({
        title,
        hasKemKey,
        statement,
        wrappedKey: wrap.toString('base64'),
        hash: createHash('sha256').update(wrap).digest('hex'),
        key: encodeHex(bytes)
      })),
      ...refusedHybrids(hybrid, plain),
      ...refusedPlain(hybrid, plain)
    ]
  }
}

function refused(
  hasKemKey: boolean,
  title: string,
  attack: string,
  code: string,
  wrap: Uint8Array,
  change = {}
) {
  return {
    title,
    attack,
    hasKemKey,
    statement: { ...statement, ...change },
    wrappedKey: Buffer.from(wrap).toString('base64'),
    refused: code
  }
}

function refusedHybrids(hybrid: Buffer, plain: Buffer) {
  const otherKem = ml_kem768.keygen(counting(0x70)(64)).publicKey
  const [ct, rsa, sealed] = [hybrid.subarray(0, CT), hybrid.subarray(CT, CT + RSA), hybrid.subarray(CT + RSA)]
  const other = hybridForBob(bytes, { random: counting(1)(32) })
  const moved: [title: string, wrap: Uint8Array, change?: object][] = [
    ['it was made for another statement', hybridForBob(bytes, { statement: otherKey })],
    ['it is shown with another statement', hybrid, { hash: otherKey }],
    ['it was made for another device', hybridForBob(bytes, { device: mallory.fingerprint })],
    ['it was made for another KEM key', hybridForBob(bytes, { kemKey: otherKem })]
  ]
  const altered: [title: string, wrap: Uint8Array][] = [
    ['a bit of the KEM ciphertext was flipped', flip(hybrid, 0)],
    ['a bit of the RSA ciphertext was flipped', flip(hybrid, CT + RSA - 1)],
    ['a bit of the sealed key was flipped', flip(hybrid, CT + RSA)],
    ['a bit of the tag was flipped', flip(hybrid, hybrid.length - 1)],
    ['its RSA part is that of another wrap', Buffer.concat([ct, other.subarray(CT, CT + RSA), sealed])],
    ['its RSA part comes first', Buffer.concat([rsa, ct, sealed])],
    ['it lacks a byte', hybrid.subarray(0, -1)],
    ['it has a byte too many', Buffer.concat([hybrid, Buffer.alloc(1)])],
    ['its IV is not zero', hybridForBob(bytes, { iv: counting(1)(12) })],
    ['its RSA part holds 31 bytes', hybridForBob(bytes, { random: counting(0x90)(31) })],
    ['it is empty', Buffer.alloc(0)]
  ]
  return [
    refused(true, 'it has the form without ML-KEM', 'downgraded-wrap', 'bad-wrap', plain),
    ...moved.map(([title, wrap, change]) => refused(true, title, 'moved-wrap', 'bad-wrap', wrap, change)),
    ...altered.map(([title, wrap]) => refused(true, title, 'altered-wrap', 'bad-wrap', wrap)),
    refused(
      true,
      'another key was wrapped',
      'swapped-key',
      'wrong-commitment',
      hybridForBob(otherSessionKey.bytes)
    ),
    refused(true, 'the key was wrapped under another id', 'swapped-key', 'wrong-commitment', hybrid, {
      sessionKey: '0198c6f3-5d72-7f90-a1c8-e47b3d5f6205'
    })
  ]
}

function refusedPlain(hybrid: Buffer, plain: Buffer) {
  return [
    refused(false, 'it has the form with ML-KEM', 'altered-wrap', 'bad-wrap', hybrid),
    refused(false, 'a bit was flipped', 'altered-wrap', 'bad-wrap', flip(plain, 0)),
    refused(false, 'it lacks a byte', 'altered-wrap', 'bad-wrap', plain.subarray(1)),
    refused(false, 'it holds 31 bytes', 'swapped-key', 'bad-wrap', oaepForBob(bytes.subarray(1))),
    refused(false, 'it holds 33 bytes', 'swapped-key', 'bad-wrap', oaepForBob(counting(0x40)(33))),
    refused(
      false,
      'another key was wrapped',
      'swapped-key',
      'wrong-commitment',
      oaepForBob(otherSessionKey.bytes)
    )
  ]
}
