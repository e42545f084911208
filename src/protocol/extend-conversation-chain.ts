import { applyChange, type Fold } from './conversation-changes.js'
import {
  MAX_CHANGES,
  MAX_LINKS,
  RESERVED_LINKS,
  type ChainMember,
  type ChainRequest,
  type ChainState,
  type ChainUsers,
  type ConversationChain,
  type Leave,
  type Link
} from './conversation-chain.js'
import { findMaker, findMember, requireInRoster } from './link-signers.js'
import { RuleViolation } from './rule-violation.js'
import { MAX_MEMBERS, type ChangeStatement, type KeyStatement } from './statements.js'

/** A conversation's chain without its newest key, which no rule needs. */
export type KeylessChain = Omit<ConversationChain, 'key'>

/**
 * Apply a request to a conversation's chain. The caller verifies signatures, and the roster with
 * `conversationRoster`.
 *
 * @param chain null for the request that creates the conversation
 * @param floor the highest sequence of the user's chain that a key of this chain names so far; 0 if none does
 * @returns the chain's new state
 * @throws {RuleViolation} `stale-chain` if the request does not extend the head; otherwise the rule that it
 *   breaks. Errors of `users.at` pass.
 */
export function extendConversationChain<Chain extends KeylessChain>(
  chain: Chain | null,
  request: ChainRequest,
  users: ChainUsers,
  floor: (username: string) => number
): Chain | ConversationChain {
  if ('leave' in request) {
    requireOrder(chain, [request.leave])
    return leave(chain, request.leave, users)
  }
  const { changes, key } = request
  requireOrder(chain, [...changes, key])
  if (changes.length > MAX_CHANGES)
    throw new RuleViolation('invalid-statement', `A request has at most ${MAX_CHANGES} changes.`)
  requirePlace(changes.map(({ statement }) => statement))
  if (chain === null && changes[0]?.statement.kind !== 'conversation-create') throw notCreated()

  const lines = readState(key.statement, users, floor)
  const maker = findMaker(
    key.statement.by,
    (username) => lines.get(username) ?? chain?.members.get(username)?.state,
    users
  )
  const fold: Fold = {
    kind: chain?.kind ?? 'group',
    members: new Map(chain?.members),
    messageTtl: chain?.messageTtl ?? 0
  }
  const isCurrent = (username: string, root: string) => {
    const state = lines.get(username) ?? fold.members.get(username)?.state
    return users.at(username, state ?? missingLine(username)).root === root
  }
  const named = new Set<string>()
  for (const { statement: change } of changes) {
    if (change.by !== key.statement.by)
      throw new RuleViolation('invalid-statement', 'One device signs all changes of a request, and its key.')
    applyChange(fold, change, maker, isCurrent)
    for (const username of namedMembers(change)) named.add(username)
  }
  if (fold.members.size > MAX_MEMBERS) throw new RuleViolation('too-many-members')
  const members = statedMembers(fold.members, lines, named)
  requireInRoster(maker, key.statement.by, members.get(maker), users)

  const { sequence, sessionKey: id, commitment, roster, by, conversation } = key.statement
  return {
    id: conversation,
    kind: fold.kind,
    sequence,
    head: key.hash,
    members,
    messageTtl: fold.messageTtl,
    key: { id, sequence, hash: key.hash, commitment, roster, by, username: maker }
  }
}

function notCreated(): RuleViolation {
  return new RuleViolation('invalid-statement', 'A chain starts with a `conversation-create`.')
}

function requireOrder(chain: KeylessChain | null, links: readonly Link[]): void {
  let { sequence, head } = chain ?? { sequence: 0, head: '-' }
  const id = chain?.id ?? links[0]!.statement.conversation
  for (const { statement, hash } of links) {
    if (statement.conversation !== id)
      throw new RuleViolation('invalid-statement', `The statement must name the conversation ${id}.`)
    if (statement.sequence !== sequence + 1 || statement.previous !== head)
      throw new RuleViolation('stale-chain')
    sequence = statement.sequence
    head = hash
  }
  if (sequence > MAX_LINKS) throw new RuleViolation('conversation-full')
}

/** Nobody fills a chain so that others can't go, or be removed, any more. */
function requirePlace(changes: readonly ChangeStatement[]): void {
  if (changes.filter(({ kind }) => kind === 'conversation-timer').length > 1)
    throw new RuleViolation('invalid-statement', 'A request has at most one `conversation-timer`.')
  for (const { kind, sequence } of changes)
    if (kind !== 'conversation-remove' && sequence > MAX_LINKS - RESERVED_LINKS)
      throw new RuleViolation('conversation-full')
}

/** The members that a change adds or renews: they must be in when the request is over. */
function namedMembers(change: ChangeStatement): string[] {
  switch (change.kind) {
    case 'conversation-create':
      return change.members.map(({ username }) => username)
    case 'conversation-add':
    case 'conversation-renew':
      return [change.member.username]
    default:
      return []
  }
}

/** Where users' chains ended for the maker: on the chains that are known, and never before an earlier key. */
function readState(
  { state }: KeyStatement,
  users: ChainUsers,
  floor: (username: string) => number
): ReadonlyMap<string, ChainState> {
  for (const line of state) {
    if (line.sequence < floor(line.username))
      throw new RuleViolation('invalid-statement', `The \`state\` of ${line.username} goes back.`)
    users.at(line.username, line)
  }
  return new Map(state.map(({ username, ...line }) => [username, line]))
}

/** Members with their states. The key must name exactly the states that are new or differ. */
function statedMembers(
  members: Fold['members'],
  lines: ReadonlyMap<string, ChainState>,
  named: ReadonlySet<string>
): Map<string, ChainMember> {
  for (const [username, state] of lines) {
    const member = members.get(username)
    if (member === undefined)
      throw new RuleViolation(
        'invalid-statement',
        `The key has a \`state\` for ${username}, who is no member.`
      )
    if (member.state?.sequence === state.sequence && member.state.head === state.head)
      throw new RuleViolation(
        'invalid-statement',
        `The \`state\` of ${username} has not changed: leave it out.`
      )
    members.set(username, { ...member, state })
  }
  for (const username of named) {
    const member = members.get(username)
    if (member === undefined)
      throw new RuleViolation(
        'invalid-statement',
        `The request adds or renews ${username}, who is not in after it.`
      )
    if (member.state === null) missingLine(username)
  }
  // Each member without a state was named.
  return members as Map<string, ChainMember>
}

function missingLine(username: string): never {
  throw new RuleViolation('invalid-statement', `The key needs a \`state\` line for ${username}.`)
}

function leave<Chain extends KeylessChain>(
  chain: Chain | null,
  { statement, hash }: Link<Leave>,
  users: ChainUsers
): Chain {
  if (chain === null) throw notCreated()
  const username = findMember(statement.by, chain.members, users)
  const members = new Map(chain.members)
  applyChange({ ...chain, members }, statement, username, () => true)
  return { ...chain, sequence: statement.sequence, head: hash, members }
}
