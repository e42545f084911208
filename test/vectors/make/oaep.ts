import { constants, createHash, createPublicKey, publicEncrypt } from 'node:crypto'
import { counting } from './actors.js'

const HASH_BYTES = 32

/** RSA-OAEP with SHA-256, and with a fixed seed instead of a random one (RFC 8017, section 7.1.1). */
export function oaep(publicKey: string, message: Uint8Array, seed = counting(0x11)(HASH_BYTES)): Buffer {
  const key = createPublicKey(publicKey)
  const size = key.asymmetricKeyDetails!.modulusLength! / 8
  const block = Buffer.concat([
    createHash('sha256').digest(),
    Buffer.alloc(size - message.length - 2 * HASH_BYTES - 2),
    Buffer.from([1]),
    message
  ])
  const maskedBlock = xor(block, mgf1(seed, block.length))
  const maskedSeed = xor(seed, mgf1(maskedBlock, HASH_BYTES))
  const encoded = Buffer.concat([Buffer.from([0]), maskedSeed, maskedBlock])
  return publicEncrypt({ key, padding: constants.RSA_NO_PADDING }, encoded)
}

function mgf1(seed: Uint8Array, length: number): Buffer {
  const blocks = Array.from({ length: Math.ceil(length / HASH_BYTES) }, (_, at) =>
    createHash('sha256')
      .update(seed)
      .update(Uint8Array.of(0, 0, 0, at))
      .digest()
  )
  return Buffer.concat(blocks).subarray(0, length)
}

const xor = (a: Uint8Array, b: Uint8Array): Buffer => Buffer.from(a.map((byte, at) => byte ^ b[at]!))
