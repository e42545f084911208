import { problems } from '../../protocol/problems.js'
import { RuleViolation } from '../../protocol/rule-violation.js'
import type { UserHistory } from '../../protocol/user-history.js'
import { RefusedError, forkedChain, toUntrusted, untrusted, type Heads } from '../errors.js'
import type { ServedChain } from './fetch-chains.js'
import type { PublicKeys } from './public-keys.js'
import { verifyUserChain, type VerifiedStatement } from './verify-user-chain.js'

/** What a look at the server's chain of a user has shown. */
export type Look =
  /** The server's chain is a proper beginning of the copy; it ends at this sequence. */
  | { status: 'behind'; sequence: number; heads: Heads }
  /** The server's chain has moved on while it was read. */
  | { status: 'moving'; history: UserHistory; added: VerifiedStatement[] }
  | ServedHistory

/** All that the server shows, verified. */
export type ServedHistory = { status: 'current'; history: UserHistory; added: VerifiedStatement[] }

/**
 * Verify what the server shows of a user's chain after the end of the copy.
 *
 * @param copy undefined for a user never met
 * @param served undefined if the server does not know the user
 * @throws {ChatError} `user-not-found` (`refused`); `untrusted`: `forked-chain` if another statement stands in
 *   the place of a known one, or else the code of what is wrong
 */
export async function lookAt(
  username: string,
  copy: UserHistory | undefined,
  served: ServedChain | undefined,
  keys: PublicKeys
): Promise<Look> {
  if (served === undefined) {
    if (copy === undefined) throw userNotFound(username)
    return { status: 'behind', sequence: 0, heads: { known: copy.chain.head, served: '-' } }
  }
  const heads = { known: copy?.chain.head ?? '-', served: served.head }
  if (served.statements.length === 0 && copy !== undefined) {
    const sequence = copy.hashes.indexOf(served.head) + 1
    if (sequence === 0) throw forkedChain(username, heads)
    if (sequence < copy.hashes.length) return { status: 'behind', sequence, heads }
    return { status: 'current', history: copy, added: [] }
  }
  try {
    const pems = new Map<string, string>()
    for (const pem of served.keys) pems.set(await keys.offerSigningKey(pem), pem)
    const { history, added } = await verifyUserChain(username, copy ?? null, served.statements, pems)
    if (history === null) throw untrusted('other-answer', `The server shows no chain of ${username}.`)
    return { status: history.chain.head === served.head ? 'current' : 'moving', history, added }
  } catch (error) {
    if (copy !== undefined && error instanceof RuleViolation && error.code === 'stale-chain')
      throw forkedChain(username, heads, error)
    throw toUntrusted(error, `A statement of ${username}'s chain`)
  }
}

/** The server leaves out users whom it does not know. */
function userNotFound(username: string): RefusedError {
  const [status] = problems['user-not-found']
  const detail = `There is no user ${username}.`
  return new RefusedError(status, { type: '/problems/user-not-found', detail }, null)
}
