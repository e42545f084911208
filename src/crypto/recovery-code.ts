import { concat, encodeUtf8 } from './encoding.js'
import { CryptoError } from './errors.js'
import { sha256 } from './hash.js'
import { randomBytes, type Random } from './web-crypto.js'

/** Crockford's base32: without I, L, O and U. */
const ALPHABET = '0123456789ABCDEFGHJKMNPQRSTVWXYZ'
const CODE_BYTES = 16
const CHECK_BITS = 22
const SYMBOLS = (CODE_BYTES * 8 + CHECK_BITS) / 5
const CHECK_INFO = encodeUtf8('secure-chat/v1 recovery-code\n')

/** Generate a recovery code of 128 random bits: six groups of five symbols. */
export async function generateRecoveryCode(random: Random = randomBytes): Promise<string> {
  return formatRecoveryCode(random(CODE_BYTES))
}

/** The code of 16 secret bytes: the bytes and 22 check bits in base32 (docs/protocol.md, "Key backup"). */
export async function formatRecoveryCode(secret: Uint8Array): Promise<string> {
  if (secret.length !== CODE_BYTES)
    throw new CryptoError('bad-recovery-code', `A recovery code encodes 16 bytes, not ${secret.length}.`)
  const bits = (toBigInt(secret) << BigInt(CHECK_BITS)) | (await checkBits(secret))
  const symbols = Array.from({ length: SYMBOLS }, (_, at) => {
    return ALPHABET[Number((bits >> BigInt(5 * (SYMBOLS - 1 - at))) & 31n)]!
  })
  return symbols.join('').match(/.{5}/g)!.join('-')
}

/**
 * The 16 secret bytes of a code that somebody typed. Upper and lower case, hyphens and spaces do not matter.
 * O counts as 0, and I and L as 1.
 *
 * @throws {CryptoError} `bad-recovery-code`, with the mistake in its message
 */
export async function parseRecoveryCode(text: string): Promise<Uint8Array> {
  const symbols = text
    .replace(/[\s\-‐-―−]/gu, '')
    .toUpperCase()
    .replaceAll('O', '0')
    .replace(/[IL]/g, '1')
  if (symbols.length !== SYMBOLS)
    throw new CryptoError(
      'bad-recovery-code',
      `A recovery code has ${SYMBOLS} letters and digits; this one has ${symbols.length}.`
    )
  let bits = 0n
  for (const symbol of symbols) {
    const value = ALPHABET.indexOf(symbol)
    if (value < 0)
      throw new CryptoError(
        'bad-recovery-code',
        'The recovery code contains a character that no recovery code has.'
      )
    bits = (bits << 5n) | BigInt(value)
  }
  const secret = toBytes(bits >> BigInt(CHECK_BITS))
  if ((await checkBits(secret)) !== (bits & ((1n << BigInt(CHECK_BITS)) - 1n)))
    throw new CryptoError(
      'bad-recovery-code',
      'The recovery code has a typing mistake. Compare it with the one you wrote down.'
    )
  return secret
}

async function checkBits(secret: Uint8Array): Promise<bigint> {
  const hash = await sha256(concat(CHECK_INFO, secret))
  return toBigInt(hash.subarray(0, 3)) >> BigInt(24 - CHECK_BITS)
}

function toBigInt(bytes: Uint8Array): bigint {
  return bytes.reduce((sum, byte) => (sum << 8n) | BigInt(byte), 0n)
}

function toBytes(value: bigint): Uint8Array {
  return Uint8Array.from({ length: CODE_BYTES }, (_, at) => Number((value >> BigInt(8 * (15 - at))) & 255n))
}
