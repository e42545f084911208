import type { ChangeStatement } from '../../protocol/statements.js'
import type { MembersChanged, TimerChanged } from '../types/events.js'
import type { ShownRequest } from './shown-request.js'

/** What a request has changed, for the user to see. None for the one that creates the conversation. */
export function changesOf(
  conversationId: string,
  { request, by }: ShownRequest,
  position: number
): (MembersChanged | TimerChanged)[] {
  if ('leave' in request)
    return [{ type: 'members', conversationId, position, by, change: 'left', username: by }]
  return request.changes.flatMap(({ statement }) => changeOf(statement, { conversationId, position, by }))
}

function changeOf(
  statement: ChangeStatement,
  about: { conversationId: string; position: number; by: string }
): (MembersChanged | TimerChanged)[] {
  switch (statement.kind) {
    case 'conversation-add':
    case 'conversation-renew':
    case 'conversation-role': {
      const { username, role } = statement.member
      return [{ type: 'members', ...about, change: CHANGES[statement.kind], username, role }]
    }
    case 'conversation-remove':
      return [{ type: 'members', ...about, change: 'removed', username: statement.username }]
    case 'conversation-timer':
      return [{ type: 'timer', ...about, messageTtl: statement.messageTtl }]
    case 'conversation-create':
    case 'conversation-leave':
      return []
  }
}

const CHANGES = {
  'conversation-add': 'added',
  'conversation-renew': 'renewed',
  'conversation-role': 'role'
} as const
