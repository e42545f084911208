import { createHash } from 'node:crypto'
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { decodeBase64, decodeHex, encodeBase64, encodeHex } from '../../../src/crypto/encoding.js'
import { fingerprint, importPrivateSigningKey } from '../../../src/crypto/keys.js'
import { encodePem } from '../../../src/crypto/pem.js'
import type { Signer } from '../../../src/crypto/statements.js'

/** The folder of the vectors, from `build/test/vectors/make`. */
export const folder = join(import.meta.dirname, '../../../../test/vectors')

interface Example {
  keys: Record<
    'alice' | 'bob',
    {
      signingSeed: string
      encryptionFingerprint: string
      encryptionPrivateKey?: string
      encryptionKey: string
      kemSeed?: string
      kemKey?: string
    }
  >
  deviceAdd: Record<'alice' | 'bob', { text: string; hash: string }>
  conversationCreate: { text: string; hash: string }
  sessionKey: {
    id: string
    key: string
    commitment: string
    rosterHash: string
    statement: { text: string; hash: string }
  }
  message: { id: string; iv: string; plaintext: string }
}

/** The worked examples of docs/protocol.md. All other vectors use their keys. */
export const examples = JSON.parse(readFileSync(join(folder, 'examples.json'), 'utf8')) as Example

/** A device. Its keys are published, like all keys here. */
export interface Actor extends Signer {
  readonly publicKey: string
  /** Fingerprint of the encryption key. */
  readonly encryptionKey: string
}

/** The PKCS #8 of an Ed25519 key before its seed (RFC 8410). */
const PKCS8 = '302e020100300506032b657004220420'
const SPKI_BYTES = 12

export async function actor(seed: string, encryptionKey: string): Promise<Actor> {
  const pkcs8 = encodeBase64(decodeHex(PKCS8 + seed))
  const privateKey = await importPrivateSigningKey(pkcs8, { extractable: true })
  const { d, x } = await crypto.subtle.exportKey('jwk', privateKey)
  if (base64urlToHex(d!) !== seed) throw new Error('the seed is not the private key')
  const prefix = decodeHex('302a300506032b6570032100')
  if (prefix.length !== SPKI_BYTES) throw new Error('the prefix is wrong')
  const publicKey = encodePem(decodeHex(encodeHex(prefix) + base64urlToHex(x!)))
  return { privateKey, publicKey, fingerprint: await fingerprint(publicKey), encryptionKey }
}

const base64urlToHex = (text: string): string => Buffer.from(text, 'base64url').toString('hex')
const seedFrom = (first: number): string => encodeHex(Uint8Array.from({ length: 32 }, (_, at) => first + at))

/** A hash in place of an encryption key's fingerprint, where the key itself is not needed. */
export const fakeHash = (name: string): string => createHash('sha256').update(name).digest('hex')

const { alice: a, bob: b } = examples.keys
export const alice = await actor(a.signingSeed, a.encryptionFingerprint)
export const bob = await actor(b.signingSeed, b.encryptionFingerprint)
/** Alice's second device. Carol has one device. Mallory's device is never approved. */
export const tablet = await actor(seedFrom(0x60), fakeHash('the encryption key of Alice’s tablet'))
export const carol = await actor(seedFrom(0x80), fakeHash('Carol’s encryption key'))
export const mallory = await actor(seedFrom(0xa0), fakeHash('Mallory’s encryption key'))

export const publicKeys = Object.fromEntries(
  [alice, bob, tablet, carol, mallory].map(({ fingerprint, publicKey }) => [fingerprint, publicKey])
)

/** Bob's private encryption key, PKCS #8 in base64. */
export const bobsKey = b.encryptionPrivateKey!.replace(/-----.*?-----|\n/g, '')
export const bobsKem = { seed: b.kemSeed!, publicKey: decodeBase64(b.kemKey!) }

/** Bytes that count up from `first`: with random ones, the vectors would change with each run. */
export const counting =
  (first: number) =>
  (length: number): Uint8Array =>
    Uint8Array.from({ length }, (_, at) => (first + at) & 255)

/** The same signature with S + L for S, which a lax Ed25519 implementation accepts. */
export function malleable(signature: string): string {
  const bytes = decodeBase64(signature)
  const order = 2n ** 252n + 27742317777372353535851937790883648493n
  let s = BigInt(`0x${Buffer.from(bytes.subarray(32)).reverse().toString('hex')}`) + order
  for (let at = 32; at < 64; at++, s >>= 8n) bytes[at] = Number(s & 255n)
  return encodeBase64(bytes)
}
