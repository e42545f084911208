import type { Content, ReceivedContent } from '../types/content.js'
import type { IncomingMessage, Sender } from '../types/messages.js'

/** A message with all later edits and reactions applied. */
export interface ViewedMessage {
  id: string
  from: Sender
  own: boolean
  position: number
  sentAt: string
  content: Exclude<ReceivedContent, { type: 'edit' | 'reaction' }>
  /** When its author edited it last; null if never. */
  editedAt: string | null
  /** Reaction → usernames, sorted. */
  reactions: Record<string, string[]>
  /** Id of the message that it answers; null if it answers none, or one that is not in the view. */
  answers: string | null
}

export interface ConversationView {
  /** Sorted by position. */
  messages: ViewedMessage[]
  /** The group's newest title. */
  title: string | null
}

/**
 * Fold messages of one conversation into one view. An edit counts if it is by the author; of one user's
 * reactions to a message the last one counts. The same messages give the same view, in any order and any
 * number of times.
 */
export function foldConversation(messages: Iterable<IncomingMessage>): ConversationView {
  const byId = new Map<string, IncomingMessage>()
  for (const message of messages) byId.set(message.id, message)
  // A lying server may give two messages the same position.
  const ordered = [...byId.values()].sort((a, b) => a.position - b.position || (a.id < b.id ? -1 : 1))

  const shown = new Map<string, ViewedMessage>()
  const reactions = new Map<string, Map<string, string>>()
  let title: string | null = null
  for (const message of ordered) {
    const { content } = message
    if (content.type === 'title') title = content.text
    if (content.type !== 'edit' && content.type !== 'reaction')
      shown.set(message.id, toViewed(message, content))
  }
  for (const message of ordered) {
    const { content, from, sentAt } = message
    if (content.type === 'edit') edit(shown.get(content.ref), content.text, from, sentAt)
    if (content.type === 'reaction') react(reactions, content, from)
  }
  for (const [id, message] of shown) {
    message.reactions = grouped(reactions.get(id))
    if (message.answers !== null && !shown.has(message.answers)) message.answers = null
  }
  return { messages: [...shown.values()], title }
}

function toViewed(message: IncomingMessage, content: ViewedMessage['content']): ViewedMessage {
  const { id, from, own, position, sentAt } = message
  const answers = content.type === 'text' ? (content.ref ?? null) : null
  return { id, from, own, position, sentAt, content, editedAt: null, reactions: {}, answers }
}

function edit(message: ViewedMessage | undefined, text: string, { username }: Sender, at: string): void {
  const { content } = message ?? {}
  if (message === undefined || message.from.username !== username) return
  if (content?.type !== 'text' && content?.type !== 'file') return
  message.content = { ...content, text }
  message.editedAt = at
}

function react(
  reactions: Map<string, Map<string, string>>,
  { ref, text }: Extract<Content, { type: 'reaction' }>,
  { username }: Sender
): void {
  const those = reactions.get(ref) ?? new Map<string, string>()
  reactions.set(ref, those.set(username, text))
}

function grouped(reactions: ReadonlyMap<string, string> = new Map()): Record<string, string[]> {
  const found = new Map<string, string[]>()
  for (const [username, text] of [...reactions].sort())
    if (text !== '') found.set(text, [...(found.get(text) ?? []), username])
  return Object.fromEntries(found)
}
