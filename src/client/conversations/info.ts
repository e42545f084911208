import type { Conversation } from '../types/conversations.js'
import type { KnownUsers } from './chain-users.js'
import type { VerifiedConversation } from './record.js'

/** A verified conversation as the user sees it. @param me the user's name @param request if it is one */
export function toConversation(
  { id, stored, chain }: VerifiedConversation,
  users: KnownUsers,
  me: string,
  request: Conversation['request'] | undefined
): Conversation {
  const members = [...chain.members].map(([username, { role, root }]) => {
    const user = users.get(username)
    return { username, role, stale: user !== undefined && user.chain.root !== root }
  })
  const other = members.find(({ username }) => username !== me)
  const { kind, head, messageTtl } = chain
  const joined = chain.members.has(me)
  const shown =
    request === undefined || request === null || !joined
      ? null
      : { by: request.by, declined: request.declined }
  // A stranger's title is not shown.
  const known = shown === null ? stored.title : null
  const title = kind === 'direct' ? (other?.username ?? null) : known
  return { id, kind, title, members, joined, head, messageTtl, request: shown }
}

/**
 * The devices for whose sake the newest session key is not post-quantum: those without a KEM key.
 *
 * @returns usernames with device ids
 */
export function classicalDevices(
  { history, chain }: VerifiedConversation,
  users: KnownUsers
): { username: string; deviceId: string }[] {
  return history
    .rosterOf(chain.key, users)
    .filter(({ kemKey }) => kemKey === '-')
    .map(({ username, id }) => ({ username, deviceId: id }))
}
