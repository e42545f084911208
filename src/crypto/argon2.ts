import { argon2idAsync } from '@noble/hashes/argon2.js'
import { encodeUtf8 } from './encoding.js'
import { CryptoError } from './errors.js'

/** The work of Argon2id. */
export interface Argon2Cost {
  /** In KiB. */
  readonly memory: number
  readonly passes: number
  readonly lanes: number
}

/** The recommendation of RFC 9106 for little memory. */
export const DEFAULT_COST: Argon2Cost = { memory: 65_536, passes: 3, lanes: 1 }
/** More would let a forged file keep a device busy. Less protects too little. */
const MAX_COST: Argon2Cost = { memory: 1_048_576, passes: 10, lanes: 4 }
const MIN_SALT_BYTES = 16

/** In code points. Somebody who has the file may guess without limit, so short ones are refused. */
const PASSPHRASE_LENGTH = { min: 12, max: 1024 }

/** Whether a cost is within the bounds of the protocol: 64 MiB to 1 GiB, 3 to 10 passes, 1 to 4 lanes. */
export function isAcceptableCost(cost: Argon2Cost): boolean {
  return (['memory', 'passes', 'lanes'] as const).every((name) => {
    return Number.isInteger(cost[name]) && cost[name] >= DEFAULT_COST[name] && cost[name] <= MAX_COST[name]
  })
}

/**
 * Refuse a new passphrase that is too easy to guess.
 *
 * @throws {CryptoError} `bad-passphrase` for fewer than 12 or more than 1,024 code points in Unicode’s form
 *   NFKC
 */
export function requireLongPassphrase(passphrase: string): void {
  const { min, max } = PASSPHRASE_LENGTH
  const length = [...passphrase.normalize('NFKC')].length
  if (length < min || length > max)
    throw new CryptoError('bad-passphrase', `A passphrase has ${min} to ${max} characters, not ${length}.`)
}

/**
 * Derive 32 bytes with Argon2id, version 1.3 (RFC 9106). Takes about a second at the default cost, and lets
 * other work run in between. The passphrase is normalised to NFKC first, since keyboards encode the same
 * characters in different ways.
 *
 * @param salt at least 16 random bytes
 * @throws {CryptoError} `bad-cost` if the cost is out of bounds, or the salt is shorter: before any work
 */
export async function argon2id(passphrase: string, salt: Uint8Array, cost: Argon2Cost): Promise<Uint8Array> {
  if (!isAcceptableCost(cost) || salt.length < MIN_SALT_BYTES)
    throw new CryptoError(
      'bad-cost',
      'Argon2id takes 64 MiB to 1 GiB of memory, 3 to 10 passes, 1 to 4 lanes and a salt of 16 bytes.'
    )
  const { memory, passes, lanes } = cost
  const options = { version: 0x13, m: memory, t: passes, p: lanes, dkLen: 32 }
  return argon2idAsync(encodeUtf8(passphrase.normalize('NFKC')), salt, options)
}
