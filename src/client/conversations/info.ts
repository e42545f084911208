import type { UserChains } from '../identity/user-chains.js'
import type { Conversation } from '../types/conversations.js'
import type { StoredConversation } from './record.js'

/** A verified conversation as the user sees it. @param me the user's name */
export async function toConversation(
  stored: StoredConversation,
  users: UserChains,
  me: string
): Promise<Conversation> {
  const { id, kind } = stored
  const members = await Promise.all(
    stored.members.map(async ({ username, role, root }) => {
      const user = await users.peek(username)
      return { username, role, stale: user !== undefined && user.root !== root }
    })
  )
  const other = members.find(({ username }) => username !== me)
  const title = kind === 'direct' ? (other?.username ?? null) : stored.title
  return { id, kind, title, members, joined: isMember(stored, me) }
}

export function isMember({ members }: StoredConversation, username: string): boolean {
  return members.some((member) => member.username === username)
}
