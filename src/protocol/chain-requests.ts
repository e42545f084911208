import type { ChainRequest, Leave, Link } from './conversation-chain.js'
import { RuleViolation } from './rule-violation.js'
import type { ChangeStatement, KeyStatement } from './statements.js'

/**
 * Divide the statements of a conversation's chain into requests: a `conversation-leave`, or changes and the key
 * that follows them.
 *
 * @throws {RuleViolation} `key-required` if changes have no key behind them
 */
export function chainRequests(links: readonly Link[]): ChainRequest[] {
  const requests: ChainRequest[] = []
  let changes: Link<Exclude<ChangeStatement, Leave>>[] = []
  for (const link of links) {
    const { statement } = link
    if (statement.kind === 'conversation-key') {
      requests.push({ changes, key: link as Link<KeyStatement> })
      changes = []
    } else if (statement.kind === 'conversation-leave') {
      if (changes.length > 0) throw new RuleViolation('key-required')
      requests.push({ leave: link as Link<Leave> })
    } else changes.push(link as (typeof changes)[number])
  }
  if (changes.length > 0) throw new RuleViolation('key-required')
  return requests
}
