import { createHash } from 'node:crypto'
import { concat, decodeHex, encodeBase64, encodeHex } from '../../../src/crypto/encoding.js'
import { encodePem } from '../../../src/crypto/pem.js'
import type { Purpose } from '../../../src/protocol/statements.js'
import { actor, type Actor } from './actors.js'

/** A device with all its public keys. Its signing key signs; nothing opens for its other keys. */
export interface Device extends Actor {
  readonly id: string
  readonly purpose: Purpose
  /** Hash of the KEM key, `-` for none. */
  readonly kemKey: string
}

/** Public keys by their hash: SPKI PEM, but KEM keys in base64. */
const signingKeys = new Map<string, string>()
const wrappingKeys = new Map<string, string>()

/** The first bytes of the SPKI of an RSA key of 2048 bits, and the last ones, which say e = 65537. */
const RSA_SPKI = '30820122300d06092a864886f70d01010105000382010f003082010a0282010100'
const RSA_EXPONENT = '0203010001'
const KYBER_Q = 3329

/** The public signing keys that vectors name. */
export const signingKeysIn = (content: unknown): Record<string, string> => namedIn(content, signingKeys)
/** The public encryption and KEM keys that vectors name. */
export const wrappingKeysIn = (content: unknown): Record<string, string> => namedIn(content, wrappingKeys)

function namedIn(content: unknown, keys: ReadonlyMap<string, string>): Record<string, string> {
  const text = JSON.stringify(content)
  return Object.fromEntries([...keys].filter(([hash]) => text.includes(hash)))
}

/** A device whose keys follow from its user, its number and its purpose. */
export async function device(
  user: string,
  number: number,
  { purpose = 'chat', kem = true }: { purpose?: Purpose; kem?: boolean } = {}
): Promise<Device> {
  const name = `${user} ${number}`
  const { kemKey, encryptionKey } = encryptionKeys(name, kem)
  const signer = await actor(encodeHex(bytes(`${name} signing`, 32)), encryptionKey)
  signingKeys.set(signer.fingerprint, signer.publicKey)
  const id = encodeHex(bytes(`${name} id`, 16)).replace(/^(.{8})(.{4})(.{4})(.{4})/, '$1-$2-$3-$4-')
  return { ...signer, id, purpose, kemKey }
}

/** Hashes of an RSA and a KEM key that follow from a name. The keys themselves are among `wrappingKeys`. */
export function encryptionKeys(name: string, kem = true): { encryptionKey: string; kemKey: string } {
  const modulus = bytes(`${name} encryption`, 256)
  modulus[0]! |= 0x80
  modulus[255]! |= 1
  const spki = decodeHex(`${RSA_SPKI}${encodeHex(modulus)}${RSA_EXPONENT}`)
  const encryptionKey = sha256(spki)
  wrappingKeys.set(encryptionKey, encodePem(spki))
  if (!kem) return { encryptionKey, kemKey: '-' }
  const raw = concat(coefficients(bytes(`${name} kem`, 2 * 768)), bytes(`${name} rho`, 32))
  const kemKey = sha256(raw)
  wrappingKeys.set(kemKey, encodeBase64(raw))
  return { encryptionKey, kemKey }
}

/** 768 numbers below q, two in three bytes (FIPS 203, ByteEncode12). */
function coefficients(random: Uint8Array): Uint8Array {
  const numbers = Array.from(
    { length: 768 },
    (_, at) => (random[2 * at]! * 256 + random[2 * at + 1]!) % KYBER_Q
  )
  const packed = numbers.flatMap((low, at) => {
    if (at % 2 === 1) return []
    const high = numbers[at + 1]!
    return [low & 255, (low >> 8) | ((high & 15) << 4), high >> 4]
  })
  return Uint8Array.from(packed)
}

const sha256 = (data: Uint8Array): string => createHash('sha256').update(data).digest('hex')

/** Bytes that follow from a name: with random ones, the vectors would change with each run. */
function bytes(name: string, length: number): Uint8Array {
  const blocks = Array.from({ length: Math.ceil(length / 32) }, (_, at) =>
    createHash('sha256').update(`secure-chat vectors ${name} ${at}`).digest()
  )
  return Uint8Array.from(Buffer.concat(blocks).subarray(0, length))
}
