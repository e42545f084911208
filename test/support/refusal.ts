import { ChatError } from '../../src/client/errors.js'
import { CryptoError } from '../../src/crypto/errors.js'
import { RuleViolation } from '../../src/protocol/rule-violation.js'

/**
 * The code with which the work is refused; `'accepted'` if it is not.
 *
 * @throws what else went wrong: a fault of ours is no refusal
 */
export async function refusal(work: Promise<unknown>): Promise<string> {
  try {
    await work
    return 'accepted'
  } catch (error) {
    if (error instanceof CryptoError || error instanceof RuleViolation) return error.code
    if (error instanceof ChatError && error.kind === 'untrusted') return error.code
    throw error
  }
}
