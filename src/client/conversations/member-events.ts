import type { MembersChanged } from '../types/events.js'
import type { Link, StoredConversation } from './record.js'

/** The change of members that a verified statement makes; none if it creates the conversation. */
export function changeOf(
  { id: conversationId }: StoredConversation,
  link: Link,
  position: number
): MembersChanged[] {
  const { actor: by, statement, renews = false } = link
  const about = { type: 'members' as const, conversationId, by, position }
  switch (statement.kind) {
    case 'conversation-create':
      return []
    case 'conversation-add': {
      const { username, role } = statement.member
      return [{ ...about, change: renews ? 'renewed' : 'added', username, role }]
    }
    case 'conversation-role': {
      const { username, role } = statement.member
      return [{ ...about, change: 'role', username, role }]
    }
    case 'conversation-remove':
      return [{ ...about, change: 'removed', username: statement.username }]
    case 'conversation-leave':
      return [{ ...about, change: 'left', username: by }]
  }
}
