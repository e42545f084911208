import { DEFAULT_COST } from '../../src/crypto/argon2.js'
import type { Scope } from './server-process.js'

/**
 * Until the owner ends, this process derives keys from passphrases with a 64th of the memory that the protocol asks
 * for, and accepts files that were made so: for tests that are not about the cost.
 */
export function cheapArgon2(owner: Scope): void {
  const { memory } = DEFAULT_COST
  Object.assign(DEFAULT_COST, { memory: memory / 64 })
  owner.teardown(() => Object.assign(DEFAULT_COST, { memory }))
}
