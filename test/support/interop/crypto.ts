import {
  createCipheriv,
  createDecipheriv,
  createHash,
  createPrivateKey,
  createPublicKey,
  constants,
  generateKeyPair,
  generateKeyPairSync,
  hkdfSync,
  privateDecrypt,
  publicEncrypt,
  randomBytes,
  sign as signBytes,
  verify as verifyBytes,
  type KeyObject
} from 'node:crypto'
import { readyRsaKey } from '../ready-keys.js'

/** The keys of one device; the public halves as they travel (SPKI PEM) and as fingerprints. */
export interface DeviceKeys {
  readonly signingPrivate: KeyObject
  readonly signingKey: string
  readonly signingFp: string
  readonly encryptionPrivate: KeyObject
  readonly encryptionKey: string
  readonly encryptionFp: string
}

export interface Sealed {
  readonly id: string
  readonly sessionKeyId: string
  readonly iv: string
  readonly ciphertext: string
  readonly signature: string
}

export interface RosterLine {
  readonly signingKey: string
  readonly encryptionKey: string
}

const oaep = { padding: constants.RSA_PKCS1_OAEP_PADDING, oaepHash: 'sha256' } as const

export const sha256Hex = (data: string | Uint8Array): string =>
  createHash('sha256').update(data).digest('hex')

export const base64 = (data: Uint8Array): string => Buffer.from(data).toString('base64')

/** Refuses what is not standard base64 with padding: Node would decode nearly anything. */
export function unbase64(text: string): Buffer {
  const bytes = Buffer.from(text, 'base64')
  if (bytes.toString('base64') !== text) throw new Error(`not canonical base64: ${text.slice(0, 40)}`)
  return bytes
}

export const fingerprint = (pem: string): string =>
  sha256Hex(createPublicKey(pem).export({ type: 'spki', format: 'der' }))

export function uuidBytes(id: string): Buffer {
  const bytes = Buffer.from(id.replaceAll('-', ''), 'hex')
  if (bytes.length !== 16) throw new Error(`not a UUID: ${id}`)
  return bytes
}

const publicPem = (key: KeyObject): string =>
  createPublicKey(key).export({ type: 'spki', format: 'pem' }).toString()

function rsaKey(): Promise<KeyObject> {
  const ready = readyRsaKey()
  if (ready !== null) return Promise.resolve(ready)
  return new Promise((resolve, reject) => {
    generateKeyPair('rsa', { modulusLength: 2048, publicExponent: 65537 }, (error, _public, key) => {
      if (error === null) resolve(key)
      else reject(error)
    })
  })
}

/** Joins a fresh signing key to an encryption key; tests of many users may share encryption keys. */
export function joinKeys(encryptionPrivate: KeyObject, signingPrivate?: KeyObject): DeviceKeys {
  const signing = signingPrivate ?? generateKeyPairSync('ed25519').privateKey
  const signingKey = publicPem(signing)
  const encryptionKey = publicPem(encryptionPrivate)
  return {
    signingPrivate: signing,
    signingKey,
    signingFp: fingerprint(signingKey),
    encryptionPrivate,
    encryptionKey,
    encryptionFp: fingerprint(encryptionKey)
  }
}

export const generateKeys = async (): Promise<DeviceKeys> => joinKeys(await rsaKey())

/** The same device with another encryption key, as after `device-rekey`. */
export const renewKeys = async (keys: DeviceKeys): Promise<DeviceKeys> =>
  joinKeys(await rsaKey(), keys.signingPrivate)

export const keysFromPem = (signingPem: string, encryptionPem: string): DeviceKeys =>
  joinKeys(createPrivateKey(encryptionPem), createPrivateKey(signingPem))

export const sign = (keys: DeviceKeys, text: string | Uint8Array): string =>
  base64(signBytes(null, Buffer.from(text), keys.signingPrivate))

export const verify = (pem: string, text: string | Uint8Array, signature: string): boolean => {
  const bytes = unbase64(signature)
  return bytes.length === 64 && verifyBytes(null, Buffer.from(text), pem, bytes)
}

export const newSessionKey = (): Buffer => randomBytes(32)

const hkdf = (key: Uint8Array, salt: Uint8Array, info: string): Buffer =>
  Buffer.from(hkdfSync('sha256', key, salt, info, 32))

export const commitment = (key: Uint8Array, id: string): string =>
  hkdf(key, uuidBytes(id), 'secure-chat/v1 commitment').toString('hex')

export const wrap = (encryptionPem: string, key: Uint8Array): string =>
  base64(publicEncrypt({ key: encryptionPem, ...oaep }, key))

export function unwrap(encryptionPrivate: KeyObject, wrapped: string): Buffer {
  const key = privateDecrypt({ key: encryptionPrivate, ...oaep }, unbase64(wrapped))
  if (key.length !== 32) throw new Error(`a session key of ${key.length} bytes`)
  return key
}

export function rosterHash(roster: readonly RosterLine[]): string {
  const lines = roster.map((line) => `${line.signingKey} ${line.encryptionKey}\n`)
  return sha256Hex(lines.sort((a, b) => Buffer.compare(Buffer.from(a), Buffer.from(b))).join(''))
}

/** Padmé: the length may keep only its highest bits, so that at most 12 % is added; never under 256. */
export function padmeLength(length: number): number {
  if (length <= 256) return 256
  const exponent = Math.floor(Math.log2(length))
  const kept = Math.floor(Math.log2(exponent)) + 1
  const step = 2 ** (exponent - kept)
  return Math.ceil(length / step) * step
}

export function pad(content: unknown): Buffer {
  const bytes = Buffer.from(JSON.stringify(content), 'utf8')
  return Buffer.concat([bytes, Buffer.alloc(padmeLength(bytes.length) - bytes.length, ' ')])
}

export interface MessageName {
  readonly conversationId: string
  readonly sessionKeyId: string
  readonly id: string
  readonly by: string
}

export const messageHeader = (name: MessageName): string =>
  'secure-chat/v1 message\n' +
  `conversation ${name.conversationId}\nsession-key ${name.sessionKeyId}\nmessage ${name.id}\nby ${name.by}\n`

const signedText = (name: MessageName, iv: Uint8Array, ciphertext: Uint8Array): string =>
  `${messageHeader(name)}digest ${sha256Hex(Buffer.concat([iv, ciphertext]))}\n`

const messageKey = (key: Uint8Array, id: string): Buffer => hkdf(key, uuidBytes(id), 'secure-chat/v1 message')

export function seal(
  keys: DeviceKeys,
  key: Uint8Array,
  place: Omit<MessageName, 'by'>,
  content: unknown
): Sealed {
  const name = { ...place, by: keys.signingFp }
  const iv = randomBytes(12)
  const cipher = createCipheriv('aes-256-gcm', messageKey(key, name.id), iv)
  cipher.setAAD(Buffer.from(messageHeader(name)))
  const ciphertext = Buffer.concat([cipher.update(pad(content)), cipher.final(), cipher.getAuthTag()])
  return {
    id: name.id,
    sessionKeyId: name.sessionKeyId,
    iv: base64(iv),
    ciphertext: base64(ciphertext),
    signature: sign(keys, signedText(name, iv, ciphertext))
  }
}

/** True if the device of this key signed exactly these bytes for exactly this place. */
export function messageSignedBy(signingPem: string, name: MessageName, sealed: Sealed): boolean {
  const text = signedText(name, unbase64(sealed.iv), unbase64(sealed.ciphertext))
  return verify(signingPem, text, sealed.signature)
}

/** @throws if the tag, the padding or the JSON is wrong. */
export function unseal(key: Uint8Array, name: MessageName, sealed: Sealed): unknown {
  const bytes = unbase64(sealed.ciphertext)
  const decipher = createDecipheriv('aes-256-gcm', messageKey(key, name.id), unbase64(sealed.iv), {
    authTagLength: 16
  })
  decipher.setAAD(Buffer.from(messageHeader(name)))
  decipher.setAuthTag(bytes.subarray(-16))
  const plain = Buffer.concat([decipher.update(bytes.subarray(0, -16)), decipher.final()])
  if (plain.length !== padmeLength(plain.length)) throw new Error(`padded to ${plain.length} bytes`)
  return JSON.parse(plain.toString('utf8')) as unknown
}

/**
 * The safety number that two people compare: SHA-512 iterated 5,200 times over their roots, as 12 groups of 5
 * digits.
 */
export function safetyNumber(one: string, other: string): string {
  const roots = [one, other].sort().map((root) => `root ${root}\n`)
  const text = Buffer.from(`secure-chat/v1 safety-number\n${roots.join('')}`)
  let digest = Buffer.alloc(0)
  for (let round = 0; round < 5200; round++)
    digest = createHash('sha512').update(digest).update(text).digest()
  const groups = Array.from({ length: 12 }, (_, group) => digest.readUIntBE(group * 5, 5) % 100_000)
  return groups.map((group) => String(group).padStart(5, '0')).join(' ')
}
