import type { MemberLine } from '../../protocol/statements.js'
import type { KnownUsers } from '../conversations/chain-users.js'
import type { VerifiedConversation } from '../conversations/record.js'

/**
 * The other side of a direct conversation under its current root, if its line names one that it has left: a key that
 * does not renew it is for nobody but this user. Members of a group are renewed only when the person asks for that.
 */
export function staleSide(
  { chain }: VerifiedConversation,
  users: KnownUsers,
  me: string
): MemberLine | undefined {
  if (chain.kind !== 'direct') return undefined
  for (const [username, { role, root }] of chain.members) {
    const current = users.get(username)?.chain.root
    if (username !== me && current !== undefined && current !== root) return { username, role, root: current }
  }
  return undefined
}
