import type {
  ChatError,
  ChatEvent,
  Conversation,
  IncomingMessage,
  ReceivedContent
} from '../../client/index.js'
import { formatTime } from '../terminal/format.js'
import { sanitize, sanitizeLines } from '../terminal/sanitize.js'

/**
 * A message for people: `2026-05-04 21:07 bob [ops]: hello`. The sender comes first, because a group's name
 * could imitate a sender.
 *
 * @param title of the conversation, where the line has to name it
 */
export function messageLine({ from, sentAt, content }: IncomingMessage, title?: string): string {
  const where = title === undefined ? '' : ` [${sanitize(title)}]`
  return `${formatTime(sentAt)} ${sanitize(from.username)}${where}: ${contentText(content)}`
}

/** The content of a message, sanitized. */
export function contentText(content: ReceivedContent): string {
  switch (content.type) {
    case 'text':
      return `${content.ref === undefined ? '' : '(reply) '}${sanitizeLines(content.text, '  ')}`
    case 'edit':
      return `(edit) ${sanitizeLines(content.text, '  ')}`
    case 'reaction':
      return content.text === '' ? '(removes a reaction)' : `(reacts) ${sanitize(content.text)}`
    case 'title':
      return `(names the group) ${sanitize(content.text)}`
    case 'file': {
      const caption = content.text === undefined ? '' : ` ${sanitizeLines(content.text, '  ')}`
      return `(file) ${sanitize(content.name)}, ${content.size} bytes${caption}`
    }
    case 'unknown':
      return `(content that this version cannot show: ${sanitize(content.of)})`
  }
}

/**
 * A message for scripts: `id, conversationId, from, type, body, sentAt, position` in every version, then
 * more. `type` is the type of its content. `body` is its text, or null.
 */
export function messageJson(message: IncomingMessage): Record<string, unknown> {
  const { id, conversationId, from, own, content, sentAt, position, receivedAt, sessionKeyId, n } = message
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
    sessionKeyId,
    n,
    ...members
  }
}

/** An event for scripts: a message as `messageJson` writes it, and any other event with its `type`. */
export function eventJson(event: ChatEvent): Record<string, unknown> {
  switch (event.type) {
    case 'message':
      return messageJson(event)
    case 'unreadable': {
      const { id, conversationId, from, type, position, reason, error, receivedAt, sessionKeyId } = event
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
        sessionKeyId
      }
    }
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

function errorJson({ kind, code, message }: ChatError): Record<string, string> {
  return { kind, code, message }
}
