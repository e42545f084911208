import {
  createHash,
  createPublicKey,
  generateKeyPair,
  generateKeyPairSync,
  hkdfSync,
  randomBytes,
  type KeyObject
} from 'node:crypto'
import { ml_kem768 } from '@noble/post-quantum/ml-kem.js'
import { readyRsaKey } from '../ready-keys.js'
import { isSoundKey, signEd25519, verifyEd25519 } from './ed25519.js'
import { check, refusing } from './refused.js'

/** The keys of one device; the public halves as they travel and as fingerprints. */
export interface DeviceKeys {
  readonly signingPrivate: KeyObject
  /** SPKI PEM. */
  readonly signingKey: string
  readonly signingFp: string
  readonly encryptionPrivate: KeyObject
  /** SPKI PEM. */
  readonly encryptionKey: string
  readonly encryptionFp: string
  /** ML-KEM-768 public key in base64. A device can do without. */
  readonly kemKey?: string
  /** The seed, d ‖ z. */
  readonly kemPrivate?: Uint8Array
}

export const sha256 = (data: string | Uint8Array): Buffer => createHash('sha256').update(data).digest()

export const sha256Hex = (data: string | Uint8Array): string => sha256(data).toString('hex')

export const base64 = (data: Uint8Array): string => Buffer.from(data).toString('base64')

/** @throws Refused unless it is standard base64 with padding: Node would decode nearly anything */
export function unbase64(text: string): Buffer {
  const bytes = Buffer.from(text, 'base64')
  check(bytes.toString('base64') === text, `not canonical base64: ${text.slice(0, 40)}`)
  return bytes
}

export function uuidBytes(id: string): Buffer {
  const form = /^[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}$/
  check(form.test(id), `not a UUID: ${id}`)
  return Buffer.from(id.replaceAll('-', ''), 'hex')
}

export const hkdf = (key: Uint8Array, salt: Uint8Array, info: string): Buffer =>
  Buffer.from(hkdfSync('sha256', key, salt, info, 32))

const spki = (key: KeyObject): string => key.export({ type: 'spki', format: 'pem' }).toString()

/** @throws Refused unless the text is a public key of this type, written as `openssl pkey -pubout` does */
export function publicKey(pem: string, type: 'ed25519' | 'rsa'): KeyObject {
  const key = parsePem(pem)
  check(key.asymmetricKeyType === type && spki(key) === pem, `not the PEM of an ${type} key`)
  if (type === 'ed25519') check(isSoundKey(key), 'a signing key that anybody can sign for')
  else {
    const { modulusLength = 0, publicExponent } = key.asymmetricKeyDetails ?? {}
    check([2048, 3072, 4096].includes(modulusLength), `an RSA key of ${modulusLength} bits`)
    check(publicExponent === 65537n, 'an RSA key with another exponent')
  }
  return key
}

const parsePem = (pem: string): KeyObject => refusing('not a public key', () => createPublicKey(pem))

/** @throws Refused unless it has 1,184 bytes, and all coefficients are below 3,329 */
export function kemPublicKey(text: string): Buffer {
  const key = unbase64(text)
  check(key.length === 1184, `a KEM key of ${key.length} bytes`)
  for (let at = 0; at < 1152; at += 3) {
    const two = key.readUIntLE(at, 3)
    check((two & 0xfff) < 3329 && two >> 12 < 3329, 'a coefficient of a KEM key is too large')
  }
  return key
}

/** The hash of the SPKI DER of an Ed25519 or RSA key. */
export const fingerprint = (pem: string): string =>
  sha256Hex(parsePem(pem).export({ type: 'spki', format: 'der' }))

/** The `kem-key` line of a device. */
export const kemFp = ({ kemKey }: { readonly kemKey?: string | undefined }): string =>
  kemKey === undefined ? '-' : sha256Hex(unbase64(kemKey))

/** A private RSA key of 2048 bits. */
export function rsaKey(): Promise<KeyObject> {
  const ready = readyRsaKey()
  if (ready !== null) return Promise.resolve(ready)
  return new Promise((resolve, reject) => {
    generateKeyPair('rsa', { modulusLength: 2048, publicExponent: 65537 }, (error, _public, key) => {
      if (error === null) resolve(key)
      else reject(error)
    })
  })
}

/** Keys of which the device has the given ones; it gets a new signing key, and no KEM key, by itself. */
export function joinKeys(
  encryptionPrivate: KeyObject,
  signingPrivate: KeyObject = generateKeyPairSync('ed25519').privateKey,
  kemPrivate?: Uint8Array
): DeviceKeys {
  const signingKey = spki(createPublicKey(signingPrivate))
  const encryptionKey = spki(createPublicKey(encryptionPrivate))
  return {
    signingPrivate,
    signingKey,
    signingFp: fingerprint(signingKey),
    encryptionPrivate,
    encryptionKey,
    encryptionFp: fingerprint(encryptionKey),
    ...(kemPrivate && { kemPrivate, kemKey: base64(ml_kem768.keygen(kemPrivate).publicKey) })
  }
}

/** Keys of a device with a KEM key, or of one without. */
export const generateKeys = async ({ kem = true } = {}): Promise<DeviceKeys> =>
  joinKeys(await rsaKey(), undefined, kem ? randomBytes(64) : undefined)

/** The same device with other decryption keys, as after `device-rekey`. It has a KEM key if it had one. */
export const renewKeys = async (
  { signingPrivate, kemKey }: DeviceKeys,
  { kem = kemKey !== undefined } = {}
): Promise<DeviceKeys> => joinKeys(await rsaKey(), signingPrivate, kem ? randomBytes(64) : undefined)

export const sign = (keys: DeviceKeys, text: string | Uint8Array): string =>
  base64(signEd25519(keys.signingPrivate, Buffer.from(text)))

/** @throws Refused if the key or the base64 is none */
export const verify = (pem: string, text: string | Uint8Array, signature: string): boolean =>
  verifyEd25519(publicKey(pem, 'ed25519'), Buffer.from(text), unbase64(signature))

export const newSessionKey = (): Buffer => randomBytes(32)

export const commitment = (key: Uint8Array, id: string): string =>
  hkdf(key, uuidBytes(id), 'secure-chat/v1 commitment').toString('hex')
