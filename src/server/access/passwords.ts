import { randomBytes, timingSafeEqual } from 'node:crypto'
import { availableParallelism } from 'node:os'
import type { Config } from '../config.js'
import { Semaphore } from '../streaming/semaphore.js'
import { derive } from './password-threads.js'

const SALT_BYTES = 16
const HASH_BYTES = 32
/** One core is left for everybody else. */
const IN_FLIGHT = Math.max(1, availableParallelism() - 1)

const phc = /^\$pbkdf2-sha256\$i=(\d+)\$([A-Za-z0-9+/]+)\$([A-Za-z0-9+/]+)$/
const unpadded = (bytes: Buffer) => bytes.toString('base64').replaceAll('=', '')

interface Hashing {
  /** @returns a PHC string `$pbkdf2-sha256$i=…$salt$hash` */
  hash: (password: string) => Promise<string>
  /**
   * Whether the password has this hash, and whether it should be hashed again because the iterations were
   * raised. A null hash, for a user who does not exist, never matches. All failures cost the same, also those of
   * hashes from before iterations were raised.
   */
  verify: (password: string, hash: string | null) => Promise<{ ok: boolean; outdated: boolean }>
}

/** Both calls wait in the line. Never within a transaction: those in front may wait for the database. */
export interface Passwords {
  /**
   * Do what leads to a hash when its turn has come. So those of a flood who wait, or are refused, have cost the database
   * nothing yet.
   *
   * @param task hashes at once
   * @throws {Problem} `overloaded` if the line is full
   */
  inLine: <T>(task: (hashing: Hashing) => Promise<T>) => Promise<T>
  /** As `Hashing.hash`, in the line. @throws {Problem} `overloaded` */
  hash: (password: string) => Promise<string>
}

/**
 * PBKDF2-HMAC-SHA-256 in threads of low priority, on all cores but one, so that a flood of log-ins does not slow down
 * those who are in. The line is bounded: in a flood of log-ins some must try again later.
 */
export function createPasswords({ iterations, maxQueued }: Config['passwords']): Passwords {
  const nobody = { iterations, salt: randomBytes(SALT_BYTES), hash: randomBytes(HASH_BYTES) }

  /** The most iterations that a password has had here: they may have been lowered, too. */
  let most = iterations

  // Keyboards encode the same characters in different ways.
  const run = (password: string, salt: Buffer, rounds: number) =>
    derive({ password: password.normalize('NFKC'), salt, iterations: rounds, bytes: HASH_BYTES })

  const hashing: Hashing = {
    async hash(password) {
      const salt = randomBytes(SALT_BYTES)
      const hash = await run(password, salt, iterations)
      return `$pbkdf2-sha256$i=${iterations}$${unpadded(salt)}$${unpadded(hash)}`
    },
    async verify(password, stored) {
      const expected = stored === null ? nobody : parse(stored)
      most = Math.max(most, expected.iterations)
      const hash = await run(password, expected.salt, expected.iterations)
      const ok = timingSafeEqual(hash, expected.hash) && stored !== null
      const missing = most - expected.iterations
      if (!ok && missing > 0) await run(password, nobody.salt, missing)
      return { ok, outdated: ok && expected.iterations < iterations }
    }
  }
  const line = new Semaphore(IN_FLIGHT, maxQueued)
  return {
    inLine: (task) => line.run(() => task(hashing)),
    hash: (password) => line.run(() => hashing.hash(password))
  }
}

function parse(stored: string): { iterations: number; salt: Buffer; hash: Buffer } {
  const match = phc.exec(stored)
  if (match === null) throw new Error('a stored password hash is not in PHC form')
  return {
    iterations: Number(match[1]),
    salt: Buffer.from(match[2]!, 'base64'),
    hash: Buffer.from(match[3]!, 'base64')
  }
}
