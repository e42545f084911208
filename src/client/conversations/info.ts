import type { Conversation } from '../types/conversations.js'
import type { Core } from '../core.js'
import type { StoredConversation } from './record.js'

/** A verified conversation as the SDK shows it. */
export async function toConversation(core: Core, room: StoredConversation): Promise<Conversation> {
  const me = core.identity.username
  const members = await Promise.all(
    room.members.map(async ({ username, role, root }) => {
      const user = await core.users.peek(username)
      return { username, role, stale: user !== undefined && user.root !== root }
    })
  )
  const other = members.find(({ username }) => username !== me)
  const title = room.kind === 'direct' ? (other?.username ?? null) : room.title
  return { id: room.id, kind: room.kind, title, members, joined: core.rooms.isIn(room) }
}
