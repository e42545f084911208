import {
  constants,
  createCipheriv,
  createDecipheriv,
  privateDecrypt,
  publicEncrypt,
  randomBytes,
  type KeyObject
} from 'node:crypto'
import { ml_kem768 } from '@noble/post-quantum/ml-kem.js'
import { base64, commitment, hkdf, kemPublicKey, publicKey, sha256, unbase64 } from './crypto.js'
import { check, refusing } from './refused.js'

/** Public keys of a device that a session key is wrapped for. */
export interface Reader {
  /** Fingerprint. */
  readonly signingKey: string
  /** SPKI PEM. */
  readonly encryptionKey: string
  /** Base64; a device without one gets a plain wrap. */
  readonly kemKey?: string | undefined
}

/** Private keys of a device, as one of its lines names them. */
export interface ReaderKeys {
  readonly signingFp: string
  readonly encryptionPrivate: KeyObject
  readonly kemPrivate?: Uint8Array | undefined
}

/** What the chain says of a session key. */
export interface WrappedKey {
  readonly id: string
  /** Hash of the `conversation-key` statement. */
  readonly hash: string
  readonly commitment: string
}

const oaep = { padding: constants.RSA_PKCS1_OAEP_PADDING, oaepHash: 'sha256' } as const
const CT_BYTES = 1088
const SEALED_BYTES = 48
const IV = Buffer.alloc(12)

const additionalData = (statement: string, signingFp: string): Buffer =>
  Buffer.from(`secure-chat/v1 wrap\nstatement ${statement}\ndevice ${signingFp}\n`)

const wrappingKey = (statement: string, ct: Uint8Array, rsa: Uint8Array, ss: Uint8Array, r: Uint8Array) =>
  hkdf(Buffer.concat([ss, r]), sha256(Buffer.concat([Buffer.from(statement, 'hex'), ct, rsa])), INFO)
const INFO = 'secure-chat/v1 wrap'

/** Wraps a session key for one device; hybrid, if it has a KEM key. @throws Refused if a public key is none */
export function wrap(reader: Reader, statement: string, key: Uint8Array): string {
  const rsaPublic = { key: publicKey(reader.encryptionKey, 'rsa'), ...oaep }
  if (reader.kemKey === undefined) return base64(publicEncrypt(rsaPublic, key))
  const r = randomBytes(32)
  const rsa = publicEncrypt(rsaPublic, r)
  const { cipherText: ct, sharedSecret } = ml_kem768.encapsulate(kemPublicKey(reader.kemKey))
  const cipher = createCipheriv('aes-256-gcm', wrappingKey(statement, ct, rsa, sharedSecret, r), IV)
  cipher.setAAD(additionalData(statement, reader.signingKey))
  const sealed = Buffer.concat([cipher.update(key), cipher.final(), cipher.getAuthTag()])
  return base64(Buffer.concat([ct, rsa, sealed]))
}

/** @throws Refused unless the wrap holds the key that the statement commits to, for this device */
export function unwrap(reader: ReaderKeys, wrapped: WrappedKey, wrappedKey: string): Buffer {
  const bytes = unbase64(wrappedKey)
  const key = reader.kemPrivate
    ? unwrapHybrid(reader, reader.kemPrivate, wrapped.hash, bytes)
    : decrypt(reader.encryptionPrivate, bytes)
  check(key.length === 32, `a session key of ${key.length} bytes`)
  check(commitment(key, wrapped.id) === wrapped.commitment, 'not the key of the commitment')
  return key
}

function unwrapHybrid(reader: ReaderKeys, seed: Uint8Array, statement: string, bytes: Buffer): Buffer {
  const modulus = (reader.encryptionPrivate.asymmetricKeyDetails?.modulusLength ?? 0) / 8
  check(bytes.length === CT_BYTES + modulus + SEALED_BYTES, `a wrap of ${bytes.length} bytes`)
  const [ct, rsa] = [bytes.subarray(0, CT_BYTES), bytes.subarray(CT_BYTES, CT_BYTES + modulus)]
  const r = decrypt(reader.encryptionPrivate, rsa)
  check(r.length === 32, `a wrap with ${r.length} random bytes`)
  const ss = ml_kem768.decapsulate(ct, ml_kem768.keygen(seed).secretKey)
  const sealed = bytes.subarray(-SEALED_BYTES)
  const options = { authTagLength: 16 }
  const decipher = createDecipheriv('aes-256-gcm', wrappingKey(statement, ct, rsa, ss, r), IV, options)
  decipher.setAAD(additionalData(statement, reader.signingFp))
  decipher.setAuthTag(sealed.subarray(32))
  return refusing('a wrap with another tag', () =>
    Buffer.concat([decipher.update(sealed.subarray(0, 32)), decipher.final()])
  )
}

const decrypt = (key: KeyObject, bytes: Uint8Array): Buffer =>
  refusing('a wrap that RSA does not open', () => privateDecrypt({ key, ...oaep }, bytes))
