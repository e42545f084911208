import { CryptoError } from '../crypto/errors.js'
import { RuleViolation } from '../protocol/rule-violation.js'
import { ChatError } from './errors.js'

/** The server showed something that the protocol refuses; `code` names the attack. */
export function untrusted(code: string, message: string, cause?: unknown): ChatError {
  return new ChatError('untrusted', code, message, cause === undefined ? {} : { cause })
}

/** A rule of the protocol or a check that something fails, as what it means to a client. */
export function brokenRule(error: unknown, what: string): unknown {
  if (error instanceof CryptoError) return untrusted(error.code, `${what}: ${error.message}`, error)
  if (!(error instanceof RuleViolation)) return error
  if (error.code === 'stale-chain')
    return untrusted('forked-chain', `${what} does not extend what was seen before.`, error)
  if (error.code === 'invalid-signature')
    return untrusted('bad-signature', `${what} is not signed by who must sign it.`, error)
  return untrusted('forbidden-statement', `${what}: ${error.message}`, error)
}
