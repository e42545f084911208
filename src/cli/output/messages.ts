import type { ChatError, ChatEvent, Conversation, IncomingMessage } from '../../client/index.js'
import { formatTime } from '../terminal/format.js'
import { sanitize, sanitizeLines } from '../terminal/sanitize.js'
import type { ShownContent, ShownMessage } from './for-people.js'

/**
 * A message for people: `2026-05-04 21:07 bob ["ops"]: hello`. The sender comes first, because a group's name
 * could imitate a sender.
 *
 * @param name of the conversation, as `conversationName` writes it, where the line has to name it
 */
export function messageLine(message: ShownMessage, name?: string): string {
  const { from, sentAt, content } = message
  const where = name === undefined ? '' : ` [${name}]`
  return `${formatTime(sentAt)} ${sanitize(from.username)}${where}${marks(message)}: ${contentText(content)}`
}

/** What is to be known of when a message was said: ` (late)`, ` (departed)`, or nothing. */
export function marks({ late, departed }: Pick<IncomingMessage, 'late' | 'departed'>): string {
  const found = [late && 'late', departed && 'departed'].filter((mark) => mark !== false)
  return found.length === 0 ? '' : ` (${found.join(', ')})`
}

/** The content of a message, sanitized. */
export function contentText(content: ShownContent): string {
  switch (content.type) {
    case 'text':
      return `${content.ref === undefined ? '' : '(reply) '}${sanitizeLines(content.text)}`
    case 'edit':
      return `(edit) ${sanitizeLines(content.text)}`
    case 'retract':
      return '(takes back a message)'
    case 'taken-back':
      return '(taken back)'
    case 'reaction':
      return content.text === '' ? '(removes a reaction)' : `(reacts) ${sanitizeLines(content.text)}`
    case 'title':
      return `(names the group) "${sanitize(content.text)}"`
    case 'file': {
      const caption = content.text === undefined ? '' : ` ${sanitizeLines(content.text)}`
      return `(file) "${sanitize(content.name)}", ${content.size} bytes${caption}`
    }
    case 'report':
      return `(reports a message of ${sanitize(content.message.sender.username)}) ${sanitizeLines(content.reason)}`.trimEnd()
    case 'unknown':
      return `(content that this version cannot show: "${sanitize(content.of)}")`
  }
}

/**
 * A message for scripts: `id, conversationId, from, type, body, sentAt, position` in every version, then
 * more. `type` is the type of its content. `body` is its text, or null.
 */
export function messageJson(message: IncomingMessage): Record<string, unknown> {
  const { id, conversationId, from, own, content, sentAt, position, receivedAt } = message
  const { key, digest, n, late, departed } = message
  const { type, text = null, ...members } = { text: undefined, ...content }
  return {
    id,
    conversationId,
    from: from.username,
    type,
    body: text,
    sentAt,
    position,
    own,
    deviceId: from.deviceId,
    receivedAt,
    key,
    digest,
    n,
    late,
    departed,
    // Both have a key of their own.
    ...(type === 'file' ? { file: members } : type === 'report' ? { report: members } : members)
  }
}

/** An event for scripts: a message as `messageJson` writes it, and any other event with its `type`. */
export function eventJson(event: ChatEvent): Record<string, unknown> {
  switch (event.type) {
    case 'message':
      return messageJson(event)
    case 'unreadable': {
      const { id, conversationId, from, type, position, reason, error, receivedAt, key } = event
      return {
        id,
        conversationId,
        from: from.username,
        type,
        body: null,
        sentAt: null,
        position,
        reason,
        error: errorJson(error),
        deviceId: from.deviceId,
        receivedAt,
        key
      }
    }
    case 'message-deleted':
    case 'withheld':
    case 'reordered': {
      const { type, conversationId, from, ...members } = event
      return { type, conversationId, from: from.username, deviceId: from.deviceId, ...members }
    }
    case 'conversation':
      return { type: event.type, ...conversationJson(event.conversation) }
    default: {
      const { error, ...members } = { error: undefined, ...event }
      return { ...members, ...(error && { error: errorJson(error) }) }
    }
  }
}

/** A conversation for scripts. `error` says why it cannot be used. */
export function conversationJson({ trouble, ...members }: Conversation): Record<string, unknown> {
  return { ...members, ...(trouble && { error: errorJson(trouble) }) }
}

function errorJson({ kind, code, message, heads }: ChatError): Record<string, unknown> {
  return { kind, code, message, ...(heads !== undefined && { heads }) }
}
