import { RuleViolation } from './rule-violation.js'
import type {
  ChangeStatement,
  ConversationKind,
  MemberLine,
  Role,
  StateLine,
  Statement
} from './statements.js'

/** What changes act on. */
export interface Fold {
  kind: ConversationKind
  /** By username, in the order in which they joined. */
  members: Map<string, FoldMember>
  messageTtl: number
}

export interface FoldMember {
  role: Role
  root: string
  /** Null for a member whom this request brings in: the key has to name a state. */
  state: Pick<StateLine, 'sequence' | 'head'> | null
}

/** Whether `root` is the user's root at the state of the request's key. Throws if the key has no state of the user. */
export type IsCurrent = (username: string, root: string) => boolean

/**
 * Apply one change to `fold` (docs/protocol.md, "A conversation's chain").
 *
 * @param actor the user whose device signed the change
 * @throws {RuleViolation} the rule that the change breaks
 */
export function applyChange(fold: Fold, change: ChangeStatement, actor: string, isCurrent: IsCurrent): void {
  const { members } = fold
  switch (change.kind) {
    case 'conversation-create':
      create(fold, change, actor, isCurrent)
      break
    case 'conversation-add': {
      const { username, role, root } = change.member
      requireGroup(fold)
      requireAdmin(fold, actor, isCurrent)
      if (members.has(username)) throw new RuleViolation('already-member')
      requireCurrentRoot(change.member, isCurrent)
      members.set(username, { role, root, state: null })
      break
    }
    case 'conversation-role': {
      const { username, role, root } = change.member
      requireGroup(fold)
      requireAdmin(fold, actor, isCurrent)
      const present = requirePresent(fold, username)
      if (present.root !== root)
        throw new RuleViolation(
          'root-changed',
          'A `conversation-role` repeats the root of the member’s line.'
        )
      if (present.role === role)
        throw new RuleViolation('invalid-statement', `${username} has the role ${role} already.`)
      if (role === 'member') requireOtherAdmin(fold, username)
      members.set(username, { ...present, role })
      break
    }
    case 'conversation-renew': {
      const { username, role, root } = change.member
      requireNotSelf(fold)
      const present = requirePresent(fold, username)
      if (isCurrent(username, present.root)) throw new RuleViolation('already-member')
      requireCurrentRoot(change.member, isCurrent)
      if (present.role !== role)
        throw new RuleViolation('invalid-statement', 'A `conversation-renew` keeps the role of the member.')
      requireRenewer(fold, actor, isCurrent)
      members.set(username, { ...present, root })
      break
    }
    case 'conversation-remove':
      requireGroup(fold)
      requireAdmin(fold, actor, isCurrent)
      requirePresent(fold, change.username)
      requireOtherAdmin(fold, change.username)
      members.delete(change.username)
      break
    case 'conversation-leave':
      requireGroup(fold)
      requireOtherAdmin(fold, actor)
      members.delete(actor)
      break
    case 'conversation-timer':
      requireNotSelf(fold)
      if (fold.kind === 'group') requireAdmin(fold, actor, isCurrent)
      else requireCurrentMember(fold, actor, isCurrent)
      fold.messageTtl = change.messageTtl
  }
}

function create(
  fold: Fold,
  { sequence, conversationKind: kind, members }: Statement<'conversation-create'>,
  actor: string,
  isCurrent: IsCurrent
): void {
  if (sequence !== 1)
    throw new RuleViolation(
      'invalid-statement',
      'A `conversation-create` is only valid as the first statement.'
    )
  const size = { direct: 2, self: 1, group: members.length }[kind]
  if (members.length !== size)
    throw new RuleViolation('invalid-statement', `A \`${kind}\` conversation has ${size} \`member\` lines.`)
  if (kind !== 'group' && members.some(({ role }) => role !== 'member'))
    throw new RuleViolation('invalid-statement', `All lines of a \`${kind}\` conversation say \`member\`.`)
  for (const member of members) requireCurrentRoot(member, isCurrent)
  const creator = members.find(({ username }) => username === actor)
  if (creator === undefined)
    throw new RuleViolation('forbidden', 'The creator of a conversation must be one of its members.')
  if (kind === 'group' && creator.role !== 'admin')
    throw new RuleViolation('forbidden', 'The creator of a group must be one of its admins.')
  fold.kind = kind
  for (const { username, role, root } of members) fold.members.set(username, { role, root, state: null })
}

function requireNotSelf({ kind }: Fold): void {
  if (kind === 'self') throw new RuleViolation('forbidden', 'A `self` conversation takes only keys.')
}

function requireGroup({ kind }: Fold): void {
  if (kind !== 'group')
    throw new RuleViolation('forbidden', `The members of a \`${kind}\` conversation cannot be changed.`)
}

function requirePresent({ members }: Fold, username: string): FoldMember {
  const present = members.get(username)
  if (present === undefined) throw new RuleViolation('not-a-member')
  return present
}

function requireCurrentRoot({ username, root }: MemberLine, isCurrent: IsCurrent): void {
  if (!isCurrent(username, root))
    throw new RuleViolation('root-changed', `The line of ${username} does not name the user’s current root.`)
}

function requireCurrentMember(fold: Fold, actor: string, isCurrent: IsCurrent): void {
  const present = fold.members.get(actor)
  if (present === undefined || !isCurrent(actor, present.root)) throw new RuleViolation('not-in-roster')
}

function requireAdmin(fold: Fold, actor: string, isCurrent: IsCurrent): void {
  if (fold.members.get(actor)?.role !== 'admin') throw new RuleViolation('not-admin')
  requireCurrentMember(fold, actor, isCurrent)
}

/** An admin. In a direct conversation the other side, and where no admin is current, any current member. */
function requireRenewer(fold: Fold, actor: string, isCurrent: IsCurrent): void {
  requireCurrentMember(fold, actor, isCurrent)
  if (fold.members.get(actor)!.role === 'admin' || fold.kind === 'direct') return
  const admins = [...fold.members].filter(([, { role }]) => role === 'admin')
  if (admins.some(([username, { root }]) => isCurrent(username, root))) throw new RuleViolation('not-admin')
}

/** The last admin stays admin while others are in, whatever the admin's root. */
function requireOtherAdmin({ members }: Fold, username: string): void {
  if (members.get(username)?.role !== 'admin' || members.size === 1) return
  for (const [other, { role }] of members) if (other !== username && role === 'admin') return
  throw new RuleViolation('last-admin')
}
