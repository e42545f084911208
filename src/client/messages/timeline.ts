import { publicCall } from '../calls.js'
import type { Content, MessageRef, ReceivedContent } from '../types/content.js'
import type { IncomingMessage, Sender } from '../types/messages.js'

/** A message with all later edits and reactions applied. */
export interface ViewedMessage {
  id: string
  digest: string
  from: Sender
  own: boolean
  position: number
  sentAt: string
  content: Exclude<ReceivedContent, { type: 'edit' | 'reaction' | 'retract' | 'void' }>
  /** When its author edited it last; null if never. */
  editedAt: string | null
  /** Whether its author has taken it back. Its content is to be hidden then. */
  isRetracted: boolean
  /** Its sender's device, or the sender, had gone already when it was read for the first time. */
  departed: boolean
  /** Departed edits of a message that another device sent: not applied. */
  departedEdits: string[]
  /** Reaction → usernames, sorted. */
  reactions: Record<string, string[]>
  /** The same of departed reactions: they take no other's place, and take none back. */
  departedReactions: Record<string, string[]>
  /** Id of the message that it answers; null if it answers none, or one that is not in the view. */
  answers: string | null
}

export interface ConversationView {
  /** Sorted by position; of one device and session key by `n`. */
  messages: ViewedMessage[]
  /** The group's newest title; one of the departed only if there is no other. */
  title: string | null
}

/**
 * Fold messages of one conversation into one view. An edit, a reaction, an answer or a retraction counts for
 * the very bytes that it names; an edit and a retraction if they are by the author; of one user's reactions
 * to a message the last one counts. The same messages give the same view, in any order and any number of
 * times.
 */
export function foldConversation(messages: Iterable<IncomingMessage>): ConversationView {
  return publicCall(fold, 'foldConversation')(messages)
}

function fold(messages: Iterable<IncomingMessage>): ConversationView {
  const known = new Map<string, IncomingMessage>()
  for (const message of messages) known.set(nameOf(message), message)
  const ordered = inOrder([...known.values()])

  const shown = new Map<string, ViewedMessage>()
  const reactions: Reactions = new Map()
  const departedReactions: Reactions = new Map()
  let title: string | null = null
  let departedTitle: string | null = null
  for (const message of ordered) {
    const { content, departed } = message
    if (content.type === 'title' && departed) departedTitle = content.text
    else if (content.type === 'title') title = content.text
    if (isShown(content)) shown.set(nameOf(message), toViewed(message, content))
  }
  // Messages of the departed come first, so that they take no other's place, wherever they stand.
  for (const message of [...ordered].sort((a, b) => Number(b.departed) - Number(a.departed))) {
    const { content, from, departed } = message
    if (content.type === 'edit') edit(shown.get(nameOf(content.ref)), message, content.text)
    if (content.type === 'retract') retract(shown.get(nameOf(content.ref)), from)
    if (content.type === 'reaction') react(departed ? departedReactions : reactions, content, from)
  }
  for (const [name, message] of shown) {
    const { content } = message
    message.reactions = grouped(reactions.get(name))
    message.departedReactions = grouped(departedReactions.get(name))
    if (content.type === 'text' && content.ref !== undefined && shown.has(nameOf(content.ref)))
      message.answers = content.ref.id
  }
  return { messages: [...shown.values()], title: title ?? departedTitle }
}

/** Message → user → reaction. */
type Reactions = Map<string, Map<string, string>>

/** A message is known by its bytes: nobody can put another one in its place. */
function nameOf({ id, digest }: MessageRef): string {
  return `${id} ${digest}`
}

/** By position; but the messages of one device and session key by `n`, whatever places the server gave them. */
function inOrder(messages: IncomingMessage[]): IncomingMessage[] {
  messages.sort((a, b) => a.position - b.position || (nameOf(a) < nameOf(b) ? -1 : 1))
  const flows = new Map<string, number[]>()
  for (const [at, { key, from }] of messages.entries()) {
    const name = `${key} ${from.signingKey}`
    const places = flows.get(name)
    if (places === undefined) flows.set(name, [at])
    else places.push(at)
  }
  const ordered = [...messages]
  for (const places of flows.values()) {
    const flow = places.map((at) => messages[at]!).sort((a, b) => a.n - b.n)
    for (const [index, at] of places.entries()) ordered[at] = flow[index]!
  }
  return ordered
}

function isShown(content: ReceivedContent): content is ViewedMessage['content'] {
  return !['edit', 'reaction', 'retract', 'void'].includes(content.type)
}

function toViewed(message: IncomingMessage, content: ViewedMessage['content']): ViewedMessage {
  const { id, digest, from, own, position, sentAt, departed } = message
  const fresh = { editedAt: null, isRetracted: false, departedEdits: [], answers: null }
  const unseen = { reactions: {}, departedReactions: {} }
  return { id, digest, from, own, position, sentAt, content, departed, ...fresh, ...unseen }
}

function edit(message: ViewedMessage | undefined, by: IncomingMessage, text: string): void {
  if (message === undefined || message.from.username !== by.from.username) return
  const { content } = message
  if (content.type !== 'text' && content.type !== 'file') return
  const isOther = by.from.signingKey !== message.from.signingKey
  // A message that was read before its device had gone is not replaced by what shows up later.
  if (by.departed && (isOther || !message.departed)) message.departedEdits.push(text)
  else {
    message.content = { ...content, text }
    message.editedAt = by.sentAt
  }
}

function retract(message: ViewedMessage | undefined, { username }: Sender): void {
  if (message?.from.username === username) message.isRetracted = true
}

function react(
  reactions: Reactions,
  { ref, text }: Extract<Content, { type: 'reaction' }>,
  { username }: Sender
): void {
  const those = reactions.get(nameOf(ref)) ?? new Map<string, string>()
  reactions.set(nameOf(ref), those.set(username, text))
}

function grouped(reactions: ReadonlyMap<string, string> = new Map()): Record<string, string[]> {
  const found = new Map<string, string[]>()
  for (const [username, text] of [...reactions].sort())
    if (text !== '') found.set(text, [...(found.get(text) ?? []), username])
  return Object.fromEntries(found)
}
