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
 * A message as a person reads it: `2026-05-04 21:07 bob [ops]: hello`. The sender comes first, since a group's name
 * could be made to look like one.
 *
 * @param title where it was said, if that has to be told
 */
export function messageLine({ from, sentAt, content }: IncomingMessage, title?: string): string {
  const where = title === undefined ? '' : ` [${sanitize(title)}]`
  return `${formatTime(sentAt)} ${sanitize(from.username)}${where}: ${contentText(content)}`
}

/** What a message says, safe for a terminal. */
export function contentText(content: ReceivedContent): string {
  switch (content.type) {
    case 'text':
      return `${content.ref === undefined ? '' : '(reply) '}${sanitizeLines(content.text, '  ')}`
    case 'edit':
      return `(edit) ${sanitizeLines(content.text, '  ')}`
    case 'reaction':
      return content.text === '' ? '(takes a reaction back)' : `(reacts) ${sanitize(content.text)}`
    case 'title':
      return `(names the group) ${sanitize(content.text)}`
    case 'file': {
      const caption = content.text === undefined ? '' : ` ${sanitizeLines(content.text, '  ')}`
      return `(file) ${sanitize(content.name)}, ${content.size} bytes${caption}`
    }
    case 'unknown':
      return `(something that this version can't show: ${sanitize(content.of)})`
  }
}

/**
 * A message for scripts: `id, conversationId, from, type, body, sentAt, position`, in every version, then more.
 * `type` is that of its content, and `body` its text, null where it has none.
 */
export function messageJson(message: IncomingMessage): Record<string, unknown> {
  const { id, conversationId, from, own, content, sentAt, position, receivedAt, sessionKeyId, n } = message
  const { type, text = null, ...members } = { text: undefined, ...content }
  return {
    ...{ id, conversationId, from: from.username, type, body: text, sentAt, position },
    ...{ own, deviceId: from.deviceId, receivedAt, sessionKeyId, n, ...members }
  }
}

/** Any event for scripts: a message as `messageJson` shows it; of all others `type` says what they are. */
export function eventJson(event: ChatEvent): Record<string, unknown> {
  switch (event.type) {
    case 'message':
      return messageJson(event)
    case 'unreadable': {
      const { id, conversationId, from, type, position, reason, error, receivedAt, sessionKeyId } = event
      return {
        ...{ id, conversationId, from: from.username, type, body: null, sentAt: null, position },
        ...{ reason, error: errorJson(error), deviceId: from.deviceId, receivedAt, sessionKeyId }
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

/** A conversation for scripts; `error` says why it can't be used. */
export function conversationJson({ trouble, ...members }: Conversation): Record<string, unknown> {
  return { ...members, ...(trouble && { error: errorJson(trouble) }) }
}

function errorJson({ kind, code, message }: ChatError): Record<string, string> {
  return { kind, code, message }
}
