import type { ChainState, ConversationChain } from '../../../protocol/conversation-chain.js'
import type { KeylessChain } from '../../../protocol/extend-conversation-chain.js'
import { RuleViolation } from '../../../protocol/rule-violation.js'
import type { Db } from '../../db/database.js'
import { Problem } from '../../http/problem.js'
import type { CurrentUsers } from './current-users.js'
import { readChainPage } from './chain-page.js'
import type { ParsedRequest } from './request.js'

/** Devices that a refusal names of each sort: enough to see what is wrong, and to mend a small roster. */
const NAMED_DEVICES = 1000

/**
 * A session key is not made for today's members and devices.
 *
 * @param members after the request
 */
export function staleRoster(
  chain: KeylessChain | null,
  users: CurrentUsers,
  members: ConversationChain['members'],
  { wraps }: ParsedRequest
): Problem {
  const due = new Set<string>()
  const state: (ChainState & { username: string })[] = []
  for (const [username, member] of members) {
    const { root, sequence, head } = users.user(username)
    if (!users.isCurrent(username, member.state)) state.push({ username, sequence, head })
    if (root === member.root) for (const { id } of users.devices(username)) due.add(id)
  }
  return new Problem('stale-roster', undefined, {
    head: chain?.head ?? '-',
    state,
    missing: [...due].filter((id) => !wraps.has(id)).slice(0, NAMED_DEVICES),
    unexpected: [...wraps.keys()].filter((id) => !due.has(id)).slice(0, NAMED_DEVICES)
  })
}

/** The problem `stale-chain`, with the statements after `sequence`: those that the client lacks. */
export async function staleChain(
  db: Db,
  { id, head, sequence }: { id: string; head: string; sequence: number },
  userId: string,
  after: number
): Promise<Problem> {
  const { items: statements, next } = await readChainPage(db, id, userId, after)
  return new Problem('stale-chain', undefined, { head, sequence, statements, next })
}

/** The error of a request that breaks a rule. One that does not follow the head gets the newer statements. */
export async function explained(
  db: Db,
  chain: { id: string; head: string; sequence: number } | null,
  userId: string,
  { links }: ParsedRequest,
  error: unknown
): Promise<unknown> {
  if (!(error instanceof RuleViolation) || error.code !== 'stale-chain') return error
  if (chain !== null)
    return staleChain(db, chain, userId, Math.min(links[0]!.statement.sequence, chain.sequence) - 1)
  return new RuleViolation(
    'invalid-statement',
    'A chain starts with `sequence 1` and `previous -`, and each statement follows the one before.'
  )
}
