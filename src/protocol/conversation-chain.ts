import { RuleViolation } from './rule-violation.js'
import { MAX_MEMBERS, type ConversationStatement, type MemberLine, type Role } from './statements.js'

/** The state that a conversation's chain defines (docs/protocol.md, "A conversation's chain"). */
export interface ConversationChain {
  kind: 'direct' | 'group'
  sequence: number
  /** Hash of the newest statement. */
  head: string
  /** By username, in the order in which they joined. */
  members: ReadonlyMap<string, ChainMember>
}

export interface ChainMember {
  role: Role
  /**
   * The root under which the member was added. Once the user has another root, the member gets no session
   * key.
   */
  root: string
}

/**
 * The current root of each user that a statement concerns, by username. Users who do not exist are absent.
 */
export type CurrentRoots = ReadonlyMap<string, string>

/**
 * Apply a statement to a chain.
 *
 * @param chain null for a chain's first statement
 * @param hash the statement's own hash
 * @param actor the user whose device signed the statement
 * @returns the chain's new state
 * @throws {RuleViolation} `stale-chain` if the statement does not extend the head; otherwise the rule that it
 *   breaks
 */
export function extendConversationChain(
  chain: ConversationChain | null,
  statement: ConversationStatement,
  hash: string,
  actor: string,
  roots: CurrentRoots
): ConversationChain {
  if (chain === null) return startConversationChain(statement, hash, actor, roots)
  if (statement.sequence !== chain.sequence + 1 || statement.previous !== chain.head)
    throw new RuleViolation('stale-chain')

  const members = new Map(chain.members)
  switch (statement.kind) {
    case 'conversation-create':
      throw new RuleViolation(
        'invalid-statement',
        'A `conversation-create` is only valid as the first statement of a chain.'
      )
    case 'conversation-add': {
      requireAdmin(chain, actor, roots)
      const { username, role, root } = statement.member
      const present = members.get(username)
      if (present === undefined && chain.kind === 'direct')
        throw new RuleViolation('forbidden', 'The members of a direct conversation cannot be changed.')
      if (present !== undefined && present.root === roots.get(username))
        throw new RuleViolation('already-member')
      requireCurrentRoot(statement.member, roots)
      if (present === undefined && members.size >= MAX_MEMBERS) throw new RuleViolation('too-many-members')
      members.set(username, { role, root })
      break
    }
    case 'conversation-role': {
      requireGroup(chain)
      requireAdmin(chain, actor, roots)
      const { username, role, root } = statement.member
      const present = members.get(username)
      if (present === undefined) throw new RuleViolation('not-a-member')
      if (present.root !== root)
        throw new RuleViolation(
          'root-changed',
          'A `conversation-role` must repeat the root that the chain has for the member.'
        )
      members.set(username, { role, root })
      break
    }
    case 'conversation-remove':
      requireGroup(chain)
      requireAdmin(chain, actor, roots)
      if (!members.delete(statement.username)) throw new RuleViolation('not-a-member')
      break
    case 'conversation-leave':
      requireGroup(chain)
      if (!members.delete(actor)) throw new RuleViolation('not-a-member')
      break
  }
  return { kind: chain.kind, sequence: statement.sequence, head: hash, members }
}

function startConversationChain(
  statement: ConversationStatement,
  hash: string,
  actor: string,
  roots: CurrentRoots
): ConversationChain {
  if (statement.kind !== 'conversation-create' || statement.sequence !== 1 || statement.previous !== '-')
    throw new RuleViolation(
      'invalid-statement',
      'A chain starts with a `conversation-create` with `sequence 1` and `previous -`.'
    )
  const { conversationKind: kind, members } = statement
  if (kind === 'direct' && members.length !== 2)
    throw new RuleViolation('invalid-statement', 'A direct conversation has exactly two members.')
  for (const member of members) requireCurrentRoot(member, roots)
  const creator = members.find((member) => member.username === actor)
  if (creator === undefined)
    throw new RuleViolation('forbidden', 'The creator of a conversation must be one of its members.')
  if (kind === 'group' && creator.role !== 'admin')
    throw new RuleViolation('forbidden', 'The creator of a group must be one of its admins.')
  return {
    kind,
    sequence: 1,
    head: hash,
    members: new Map(members.map(({ username, role, root }) => [username, { role, root }]))
  }
}

function requireGroup(chain: ConversationChain): void {
  if (chain.kind === 'direct')
    throw new RuleViolation('forbidden', 'The members of a direct conversation cannot be changed.')
}

function requireCurrentRoot(member: MemberLine, roots: CurrentRoots): void {
  const root = roots.get(member.username)
  if (root === undefined) throw new RuleViolation('user-not-found', `There is no user ${member.username}.`)
  if (root !== member.root)
    throw new RuleViolation(
      'root-changed',
      `The current root of ${member.username} is ${root}: name that one.`
    )
}

/**
 * Admins count while their root is current. If none does, the longest-standing member with a current root
 * counts.
 */
function requireAdmin(chain: ConversationChain, actor: string, roots: CurrentRoots): void {
  const current = [...chain.members].filter(([username, { root }]) => roots.get(username) === root)
  const admins = current.filter(([, { role }]) => chain.kind === 'direct' || role === 'admin')
  const allowed = admins.length > 0 ? admins : current.slice(0, 1)
  if (!allowed.some(([username]) => username === actor)) throw new RuleViolation('not-admin')
}
