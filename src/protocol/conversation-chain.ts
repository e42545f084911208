import { RuleViolation } from './rule-violation.js'
import { MAX_MEMBERS, type ConversationStatement, type MemberLine, type Role } from './statements.js'

/** What a conversation's chain says so far (protocol, "A conversation's chain"). */
export interface ConversationChain {
  kind: 'direct' | 'group'
  sequence: number
  /** Hash of the newest statement. */
  head: string
  /** Members in the order in which they came, longest-standing first. */
  members: ReadonlyMap<string, ChainMember>
}

export interface ChainMember {
  role: Role
  /** The root under which he was added; when it is no longer his user's root he gets no session key. */
  root: string
}

/** The current root of each user that a statement concerns; undefined for users that do not exist. */
export type CurrentRoots = ReadonlyMap<string, string>

/**
 * The chain after its first or one more statement, made by `actor`, whose device has signed it.
 *
 * @throws {RuleViolation} `stale-chain` when it does not extend the head; otherwise which rule refuses it
 */
export function extendConversationChain(
  chain: ConversationChain | null,
  statement: ConversationStatement,
  hash: string,
  actor: string,
  roots: CurrentRoots
): ConversationChain {
  if (chain === null) return beginConversationChain(statement, hash, actor, roots)
  if (statement.sequence !== chain.sequence + 1 || statement.previous !== chain.head)
    throw new RuleViolation('stale-chain')

  const members = new Map(chain.members)
  switch (statement.kind) {
    case 'conversation-create':
      throw new RuleViolation('invalid-statement', 'A `conversation-create` can only begin a chain.')
    case 'conversation-add': {
      requireAdmin(chain, actor, roots)
      const { username, role, root } = statement.member
      const present = members.get(username)
      if (present === undefined && chain.kind === 'direct')
        throw new RuleViolation('forbidden', 'A direct conversation has its two members for ever.')
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
          'A `conversation-role` must repeat the root of the member’s line.'
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

function beginConversationChain(
  statement: ConversationStatement,
  hash: string,
  actor: string,
  roots: CurrentRoots
): ConversationChain {
  if (statement.kind !== 'conversation-create' || statement.sequence !== 1 || statement.previous !== '-')
    throw new RuleViolation(
      'invalid-statement',
      'A chain begins with a `conversation-create`, `sequence 1`, `previous -`.'
    )
  const { conversationKind: kind, members } = statement
  if (kind === 'direct' && members.length !== 2)
    throw new RuleViolation('invalid-statement', 'A direct conversation has exactly two members.')
  for (const member of members) requireCurrentRoot(member, roots)
  const creator = members.find((member) => member.username === actor)
  if (creator === undefined)
    throw new RuleViolation('forbidden', 'Whoever creates a conversation must be one of its members.')
  if (kind === 'group' && creator.role !== 'admin')
    throw new RuleViolation('forbidden', 'Whoever creates a group must be one of its admins.')
  return {
    kind,
    sequence: 1,
    head: hash,
    members: new Map(members.map(({ username, role, root }) => [username, { role, root }]))
  }
}

function requireGroup(chain: ConversationChain): void {
  if (chain.kind === 'direct')
    throw new RuleViolation('forbidden', 'A direct conversation has its two members for ever.')
}

function requireCurrentRoot(member: MemberLine, roots: CurrentRoots): void {
  const root = roots.get(member.username)
  if (root === undefined) throw new RuleViolation('user-not-found', `There is no user ${member.username}.`)
  if (root !== member.root)
    throw new RuleViolation('root-changed', `${member.username}'s current root is ${root}: name that one.`)
}

/** Admins are those the chain names whose root is current; without one, the longest-standing such member. */
function requireAdmin(chain: ConversationChain, actor: string, roots: CurrentRoots): void {
  const current = [...chain.members].filter(([username, { root }]) => roots.get(username) === root)
  const admins = current.filter(([, { role }]) => chain.kind === 'direct' || role === 'admin')
  const able = admins.length > 0 ? admins : current.slice(0, 1)
  if (!able.some(([username]) => username === actor)) throw new RuleViolation('not-admin')
}
